// A caller who hangs up in the middle of a call.
import http from 'node:http';
import { sleep } from './turnpike.mjs';

/**
 * Calls and hangs up when `seen` has come (or, without it, when `ready` says so); resolves with the moment at which it has
 * hung up.
 */
export async function hangUp(books, body, { seen, ready, headers = {} }) {
  const request = http.request({
    port: books.gateway.port,
    method: 'POST',
    path: '/v1/chat/completions',
    agent: false,
    headers: { authorization: `Bearer ${books.key}`, 'content-type': 'application/json', ...books.sign(headers) },
  });
  request.on('error', () => {});
  const text = new Promise((resolve) => {
    let received = '';
    request.on('response', (response) => {
      response.on('error', () => {});
      response.on('data', (data) => {
        received += data;
        if (seen && received.includes(seen)) resolve();
      });
    });
  });
  request.end(JSON.stringify(body));
  await ready();
  if (seen) await text;
  else await sleep(60); // What the provider has sent by now has been read.
  request.destroy();
  return Date.now();
}
