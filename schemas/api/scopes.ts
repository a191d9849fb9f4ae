// Apart from the routes, since every command line names scopes and only a server needs the schemas.

/** What a token may be made for. `admin` includes the others. */
export const scopes = ['read', 'write', 'report', 'admin'] as const
export type Scope = (typeof scopes)[number]
