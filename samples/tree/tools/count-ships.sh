#!/bin/sh
# Counts the ships of one ledger.
cut -d, -f2 "$1" | tail -n +2 | sort -u | wc -l
