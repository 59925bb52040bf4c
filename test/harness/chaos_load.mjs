// Calls several gateways at a fixed rate over kept connections, through their deaths and returns. A program of its own, told
// what to do by one JSON argument: ports, rate (calls a second), connections (to each port), keys, endUsers, tags, seed.
// When it is told to end it prints which calls were answered whole with 200, by their ids, and what else came.
import net from 'node:net';
import { Chance } from './random.mjs';

const { ports, rate, connections, keys, endUsers, tags, seed } = JSON.parse(process.argv[2]);
const random = new Chance(seed);
const tickMs = 10;
const answered = [];
const others = {};
const idle = ports.map(() => []);
let made = 0;
let running = true;
let open = 0;

const count = (what) => (others[what] = (others[what] ?? 0) + 1);

class Line {
  constructor(at) {
    this.at = at;
    this.connect();
  }
  connect() {
    if (!running) return;
    this.socket = net.connect({ port: ports[this.at], host: '127.0.0.1', noDelay: true });
    this.received = '';
    this.socket.on('connect', () => idle[this.at].push(this));
    this.socket.on('data', (data) => this.take(data.toString('latin1')));
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      if (this.id) {
        this.id = undefined;
        open -= 1;
        count('cut');
      }
      idle[this.at] = idle[this.at].filter((line) => line !== this);
      setTimeout(() => this.connect(), 50);
    });
  }
  call(id) {
    this.id = id;
    open += 1;
    const body = JSON.stringify({
      model: 'gpt',
      messages: [{ role: 'user', content: 'hi' }],
      user: random.pick(endUsers),
      metadata: { tags: [random.pick(tags)] },
    });
    this.socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer ${random.pick(keys)}\r\nx-litellm-call-id: ${id}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
  }
  take(text) {
    this.received += text;
    const head = this.received.indexOf('\r\n\r\n');
    if (head < 0) return;
    const length = Number(/content-length: (\d+)/i.exec(this.received)?.[1] ?? NaN);
    if (this.received.length < head + 4 + length) return;
    if (this.received.startsWith('HTTP/1.1 200 ')) answered.push(this.id);
    else count(this.received.slice(9, 12));
    this.id = undefined;
    open -= 1;
    const closes = /connection: close/i.test(this.received.slice(0, head));
    this.received = '';
    if (closes) this.socket.destroy();
    else idle[this.at].push(this);
  }
}

for (let i = 0; i < connections; i += 1) ports.forEach((_, at) => new Line(at));
const begun = Date.now();
let due = 0;
const timer = setInterval(() => {
  for (const end = ((Date.now() - begun) / 1000) * rate; due < end; due += 1) {
    const at = random.int(0, ports.length - 1);
    const line = idle[at].shift();
    if (line) line.call(`c${seed}-${(made += 1)}`);
    else count('no line');
  }
}, tickMs);

process.on('SIGTERM', () => {
  running = false;
  clearInterval(timer);
  const until = Date.now() + 3000;
  const wait = setInterval(() => {
    if (open > 0 && Date.now() < until) return;
    clearInterval(wait);
    process.stdout.write(`${JSON.stringify({ made, answered, others })}\n`, () => process.exit(0));
  }, 20);
});
console.log('calling');
