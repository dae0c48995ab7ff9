// Real receivers, each with its defaults: how long they keep an idle connection, and how they end one, is what is tried.

import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A program to start; `prepare` writes what it has to find in its folder. */
export interface Kind {
  about: string
  /** Files or programs without which it cannot be started, and the Debian package of each. */
  needs: Readonly<Record<string, string>>
  prepare?: (at: Place) => Promise<void>
  command: (at: Place) => string[]
}

export interface Place {
  folder: string
  port: number
}

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const EXPRESS = '/usr/share/nodejs/express'
const APACHE_MODULES = '/usr/lib/apache2/modules'
const PHP = `${APACHE_MODULES}/libphp8.2.so`
const wsgi = (at: Place): string[] => ['--chdir', file('.'), '--bind', `127.0.0.1:${at.port}`, 'app:app']

export const KINDS: Readonly<Record<string, Kind>> = {
  nginx: {
    about: 'idle connections end after 75 s, all after 1,000 requests',
    needs: { nginx: 'nginx-light' },
    prepare: ({ folder, port }) => writeFile(join(folder, 'nginx.conf'), nginxConf(folder, port)),
    command: ({ folder }) => ['nginx', '-c', join(folder, 'nginx.conf'), '-g', 'daemon off;'],
  },
  apache: {
    about: 'with PHP: idle connections end after 5 s, all after 100 requests',
    needs: { apache2: 'apache2', [PHP]: 'libapache2-mod-php' },
    prepare: ({ folder, port }) => writeFile(join(folder, 'apache.conf'), apacheConf(folder, port)),
    command: ({ folder }) => ['apache2', '-f', join(folder, 'apache.conf'), '-D', 'FOREGROUND'],
  },
  php: {
    about: "PHP's own server: a connection for each request",
    needs: { php: 'php-cli' },
    command: ({ port }) => ['php', '-q', '-S', `127.0.0.1:${port}`, '-t', file('.')],
  },
  express: {
    about: 'idle connections end after 5 s',
    needs: { [EXPRESS]: 'node-express' },
    command: ({ port }) => [process.execPath, file('express.cjs'), String(port)],
  },
  go: {
    about: 'idle connections do not end',
    needs: { go: 'golang-go' },
    command: ({ port }) => ['go', 'run', file('server.go'), String(port)],
  },
  python: {
    about: 'http.server: HTTP/1.0, a connection for each request',
    needs: { python3: 'python3' },
    command: ({ port }) => ['python3', file('server.py'), String(port)],
  },
  gunicorn: {
    about: 'with its default worker: a connection for each request',
    needs: { gunicorn: 'gunicorn' },
    command: (at) => ['gunicorn', ...wsgi(at)],
  },
  'gunicorn-threads': {
    about: 'with threads: idle connections end after 2 s, and no header says so',
    needs: { gunicorn: 'gunicorn' },
    command: (at) => ['gunicorn', '--worker-class', 'gthread', '--threads', '4', ...wsgi(at)],
  },
  waitress: {
    about: 'idle connections end after 120 s',
    needs: { 'waitress-serve': 'python3-waitress' },
    command: ({ port }) => ['waitress-serve', '--host', '127.0.0.1', '--port', String(port), 'app:app'],
  },
}

/** Of what a kind needs, the Debian packages that are not here. */
export function missing({ needs }: Kind): string[] {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin']
  const isHere = (name: string) =>
    name.startsWith('/') ? existsSync(name) : folders.some((folder) => existsSync(join(folder, name)))
  return Object.keys(needs)
    .filter((name) => !isHere(name))
    .map((name) => needs[name]!)
}

export const ENVIRONMENT: NodeJS.ProcessEnv = {
  PATH: `${process.env['PATH']}${delimiter}/usr/sbin`,
  HOME: process.env['HOME'],
  NODE_PATH: '/usr/share/nodejs',
  PYTHONPATH: file('.'),
  PYTHONDONTWRITEBYTECODE: '1',
}

const nginxConf = (folder: string, port: number): string => `
pid ${folder}/nginx.pid;
error_log /dev/null;
events {}
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  server { listen 127.0.0.1:${port}; location / { return 200 ok; } }
}
`

const apacheConf = (folder: string, port: number): string => `
ServerName localhost
Listen 127.0.0.1:${port}
PidFile ${folder}/apache.pid
ErrorLog /dev/null
User nobody
Group nogroup
LoadModule mpm_prefork_module ${APACHE_MODULES}/mod_mpm_prefork.so
LoadModule authz_core_module ${APACHE_MODULES}/mod_authz_core.so
LoadModule dir_module ${APACHE_MODULES}/mod_dir.so
LoadModule mime_module ${APACHE_MODULES}/mod_mime.so
LoadModule php_module ${PHP}
TypesConfig /dev/null
DirectoryIndex index.php
DocumentRoot ${folder}
<Directory ${folder}>
  Require all granted
</Directory>
<FilesMatch "\\.php$">
  SetHandler application/x-httpd-php
</FilesMatch>
`
