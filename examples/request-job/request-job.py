"""Asks a waybill cluster for a job, with kafka-python, fastavro and the Avro schema alone.

    pip install -r requirements.txt
    python3 request-job.py BROKER PREFIX JOB SOURCE TARGET [REGISTRY_URL]
"""
import io
import json
import pathlib
import sys
import time
import urllib.request
import uuid

import fastavro
import kafka

broker, prefix, job, source, target, *registry = sys.argv[1:]
schema = pathlib.Path(__file__).parents[2].joinpath("schemas/avsc/JobRequested.avsc").read_text()


def schema_id() -> int:
    """Number of the schema: the registry's, which registers it where it is not yet, or else waybill's own."""
    if not registry:
        return 29
    url = f"{registry[0]}/subjects/waybill.JobRequested/versions"
    headers = {"content-type": "application/vnd.schemaregistry.v1+json"}
    body = json.dumps({"schema": schema}).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:
        return json.load(answer)["id"]


# What is left out here is null: no limit. docs/events.md tells what each field means.
request = {
    "source": source,  # @connection/folder, as the processes of the cluster are configured
    "target": target,
    "targetOptions": {},
    "layout": "objects",
    "chunkBytes": 64 * 1024 * 1024,
    "rules": [],
    "symlinks": "keep",
    "storesEntries": False,
    "overwrite": "never",
    "verify": "full",
    "samplePercent": 100,
    "reconcile": "listing",
    "priority": "normal",
}
event = {"job": job, "at": int(time.time() * 1000), "writer": "examples/python", "sequence": 1, "software": "example"}

# Confluent wire format: a zero byte, the number of the schema, the event.
value = io.BytesIO()
value.write(b"\0" + schema_id().to_bytes(4, "big"))
fastavro.schemaless_writer(value, fastavro.parse_schema(json.loads(schema)), {**event, "request": request})

producer = kafka.KafkaProducer(bootstrap_servers=[broker], client_id="request-job", acks="all")
# Any partition will do; the key must never have been used before, or compaction removes a request.
producer.send(f"{prefix}.jobs", key=uuid.uuid4().bytes, value=value.getvalue()).get(timeout=30)
producer.close()
