// What the API of a serving process is configured with; services/cli reads it from the section [api].

export interface WebhookSettings {
  /** https, or http to this machine. */
  readonly url: string
  /** Signs what is sent (HMAC-SHA256). */
  readonly secret: string
}

export interface ApiSettings {
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
  /** Tokens that were made by `waybill tokens create`; when it holds none, only this machine is served. */
  readonly tokensFile: string
  /** Told of the end of every pass; null: nobody. */
  readonly webhook: WebhookSettings | null
}
