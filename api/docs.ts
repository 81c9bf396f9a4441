import { createRequire } from 'node:module'
import path from 'node:path'
import express, { type Router } from 'express'
import { contractText } from './contract.ts'

const ASSETS = ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png'] as const
const assets = path.dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))

const PAGE = `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>OpenIRM API</title>
  <link rel="stylesheet" href="/docs/swagger-ui.css">
  <link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
</head>
<body>
  <div id="docs"></div>
  <script src="/docs/swagger-ui-bundle.js"></script>
  <script src="/docs/start.js"></script>
</body>
</html>
`

// validatorUrl null: the page asks nobody outside.
const START = `SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#docs',
  validatorUrl: null,
  deepLinking: true,
  persistAuthorization: false,
})
`

/** The contract as a page and as a document; every asset comes from here. */
export function docs(): Router {
  const router = express.Router()
  router.get('/openapi.json', (_request, response) => {
    response.type('application/json').send(contractText)
  })
  router.get('/docs', (_request, response) => {
    response.type('html').send(PAGE)
  })
  router.get('/docs/start.js', (_request, response) => {
    response.type('text/javascript').send(START)
  })
  for (const name of ASSETS) {
    router.get(`/docs/${name}`, (_request, response, next) => {
      response.sendFile(path.join(assets, name), { maxAge: '1h' }, (error) => {
        if (error) next(error)
      })
    })
  }
  return router
}
