// What a job may be called. Names stand in keys of records and rows between slashes, so they hold none.
const pattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

export function isJobName(text: string): boolean {
  return pattern.test(text)
}
