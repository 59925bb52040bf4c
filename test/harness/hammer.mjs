// A program of its own that calls the gateway as fast as it answers, over kept connections and below everybody's priority:
// it takes what the machine has left. `node hammer.mjs PORT KEY CONNECTIONS`; prints what was answered when it is told to end.
import net from 'node:net';
import os from 'node:os';

const [port, key, connections] = process.argv.slice(2);
os.setPriority(19);
const body = JSON.stringify({ model: 'gpt', messages: [{ role: 'user', content: 'hi' }] });
const request = `POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
let good = 0;
let other = 0;

function call(socket) {
  let received = '';
  socket.on('data', (data) => {
    received += data.toString('latin1');
    const head = received.indexOf('\r\n\r\n');
    if (head < 0) return;
    const length = Number(/content-length: (\d+)/i.exec(received)?.[1] ?? NaN);
    if (received.length < head + 4 + length) return;
    if (received.startsWith('HTTP/1.1 200 ')) good += 1;
    else other += 1;
    received = '';
    socket.write(request);
  });
  socket.on('error', () => (other += 1));
  socket.write(request);
}

for (let i = 0; i < Number(connections); ++i) call(net.connect({ port: Number(port), host: '127.0.0.1', noDelay: true }));
process.on('SIGTERM', () => {
  console.log(JSON.stringify({ good, other }));
  process.exit(0);
});
console.log('calling');
