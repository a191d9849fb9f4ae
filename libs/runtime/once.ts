// A value made at most once, on first use; a failed try is forgotten.

export interface Once<T> {
  get(): Promise<T>
  made(): Promise<T> | null
}

export function createOnce<T>(make: () => Promise<T>): Once<T> {
  let value: Promise<T> | null = null
  return {
    get() {
      value ??= make().catch((error: unknown) => {
        value = null
        throw error
      })
      return value
    },
    made: () => value,
  }
}
