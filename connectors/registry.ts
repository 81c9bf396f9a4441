/** Every connector kind, one line each. Forms, the redactor, the docs index and the API's enum derive from this list. */

export { amazonS3 } from './amazon-s3/connector.ts'
export { customFile } from './custom-file/connector.ts'
export { hr } from './hr/connector.ts'
