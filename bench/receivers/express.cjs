// Express with its defaults, on the port of the first argument. NODE_PATH says where it is installed.
const express = require('express')

express()
  .use(express.json())
  .post('/', (_request, response) => response.send('ok'))
  .listen(Number(process.argv[2]), '127.0.0.1')
