// Starts the doubles in one chain and says where it begins:
//
//   our client -> front -> Prism (checks against GitHub's description) -> ETag proxy (304s) -> emulate (state)
//
// usage: node chain.mjs <openapi.json> <seed.yaml> <file for the address> <file for response violations>
// Ends, with everything it started, on SIGTERM or when its parent is gone.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';

import { createEmulator } from 'emulate';
import Koa from 'koa';
import proxy from 'koa-better-http-proxy';
import conditional from 'koa-conditional-get';
import etag from 'koa-etag';
import yaml from 'yaml';

const [openapi, seedFile, addressFile, violationsFile] = process.argv.slice(2);

const freePort = () =>
  new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

const seed = yaml.parse(fs.readFileSync(seedFile, 'utf8'));
const emulator = await createEmulator({ service: 'github', port: await freePort(), seed });

const etagPort = await freePort();
const upstream = emulator.url.replace('localhost', '127.0.0.1');
const etags = new Koa()
  .use(conditional())
  .use(etag())
  .use(proxy(upstream, { preserveHostHdr: true, limit: '5mb' }))
  .listen(etagPort, '127.0.0.1');

const prismPort = await freePort();
const prism = spawn(
  process.execPath,
  ['node_modules/@stoplight/prism-cli/dist/index.js', 'proxy', '-h', '127.0.0.1', '-p', String(prismPort), openapi, `http://127.0.0.1:${etagPort}`],
  { stdio: ['ignore', fs.openSync('prism.log', 'w'), fs.openSync('prism.err', 'w')] },
);

// Prism cuts a long report off in the middle and says so.
const violationsIn = (report) => {
  if (report.startsWith('[')) {
    return JSON.parse(report);
  }
  const location = [report.includes('"location":["request"') ? 'request' : 'response'];
  return [{ location, message: 'too many violations to list' }];
};

// Prism reports violations in a header that our client does not read: a wrong request becomes a 422, a wrong answer a line.
const front = http.createServer((request, response) => {
  if (request.url === '/graphql') {
    // Neither the description nor emulate knows it.
    response.writeHead(404).end();
    return;
  }
  const { method, url: path, headers: sent } = request;
  // One odd label event costs Prism 20 KB of header.
  const options = { host: '127.0.0.1', port: prismPort, method, path, headers: sent, maxHeaderSize: 16 * 1024 * 1024 };
  const onward = http.request(options, (answer) => {
    const violations = violationsIn(answer.headers['sl-violations'] ?? '[]');
    const [wrong, odd] = [true, false].map((ours) => violations.filter(({ location }) => (location?.[0] === 'request') === ours));
    for (const violation of odd) {
      fs.appendFileSync(violationsFile, `${request.method} ${request.url} ${violation.location.join('.')}: ${violation.message}\n`);
    }
    if (wrong.length > 0) {
      answer.resume();
      response.writeHead(422, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ message: `request violates the description: ${JSON.stringify(wrong)}` }));
      return;
    }
    const headers = { ...answer.headers };
    delete headers['sl-violations'];
    response.writeHead(answer.statusCode, headers);
    answer.pipe(response);
  });
  onward.once('error', (error) => {
    response.writeHead(502);
    response.end(String(error));
  });
  request.pipe(onward);
});

// Also when this script fails: nothing it started outlives it.
process.once('exit', () => prism.kill());
const end = async () => {
  front.close();
  etags.close();
  await emulator.close();
  process.exit(0);
};
process.once('SIGTERM', end);
process.once('SIGINT', end);
const parent = process.ppid;
setInterval(() => process.ppid !== parent && end(), 1000).unref();
prism.once('exit', (code) => {
  console.error(`prism ended with ${code}, see prism.log and prism.err`);
  process.exit(1);
});

const up = () =>
  new Promise((resolve) => {
    const probe = net.connect(prismPort, '127.0.0.1', () => probe.end(() => resolve(true)));
    probe.once('error', () => resolve(false));
  });
while (!(await up())) {
  await new Promise((resolve) => setTimeout(resolve, 100));
}
front.listen(0, '127.0.0.1', async () => {
  const address = `http://127.0.0.1:${front.address().port}`;
  const wrong = await fetch(`${address}/repos/octocat/hello/issues?state=bogus`);
  if (wrong.status !== 422) {
    console.error(`a wrong request was answered with ${wrong.status}: nobody checks`);
    process.exit(1);
  }
  fs.writeFileSync(`${addressFile}.new`, address);
  fs.renameSync(`${addressFile}.new`, addressFile);
});
