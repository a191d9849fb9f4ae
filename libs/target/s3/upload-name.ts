// An upload is either opened with SHA-256 as its checksum, and then every part must carry one, or without, and then none
// may (AWS and others refuse the mixture; stores also refuse copied parts in the first kind). The worker has to know which,
// so the name of an upload in our events says it before the store's own id.

export interface UploadName {
  /** The store's id. */
  readonly id: string
  readonly isChecked: boolean
}

const checked = 'sha256:'
const plain = 'plain:'

export function uploadText({ id, isChecked }: UploadName): string {
  return `${isChecked ? checked : plain}${id}`
}

/** A text of neither form is taken as a store's bare id. */
export function parseUpload(text: string): UploadName {
  if (text.startsWith(checked)) return { id: text.slice(checked.length), isChecked: true }
  return { id: text.startsWith(plain) ? text.slice(plain.length) : text, isChecked: false }
}

/** Every form in which our events may name an upload of the store. */
export function uploadTexts(id: string): readonly string[] {
  return [uploadText({ id, isChecked: true }), uploadText({ id, isChecked: false })]
}
