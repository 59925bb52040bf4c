// A database that cannot be used: who is known goes on, who is not is told to come again, and nobody is called a stranger.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { FakeProvider, Gateway, deployment, scene, until } from '../harness/turnpike.mjs';

let fake;
before(async () => {
  fake = await FakeProvider.start();
});
after(() => fake?.stop());

/** Makes every page of the file but the first unreadable, as a broken disk does, and mends it again. */
class BrokenDisk {
  constructor(file) {
    this.file = file;
    this.database = new DatabaseSync(file);
    this.database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    this.pageBytes = this.database.prepare('PRAGMA page_size').get().page_size;
  }
  fill(bytes) {
    const handle = fs.openSync(this.file, 'r+');
    fs.writeSync(handle, bytes, 0, bytes.length, this.pageBytes);
    fs.closeSync(handle);
    // A commit that touches the first page only: whoever has read the file before reads it again.
    this.database.exec('PRAGMA user_version = 0');
  }
  break() {
    this.whole = fs.readFileSync(this.file).subarray(this.pageBytes);
    this.fill(Buffer.alloc(this.whole.length, 0x5a));
  }
  mend() {
    this.fill(this.whole);
  }
  close() {
    this.database.close();
  }
}

test('while the database cannot be read an unknown key is 503 with Retry-After, never 401, and known keys keep working', async () => {
  await scene(
    async (own) => own(await Gateway.start({ config: { model_list: [deployment('gpt', fake.base())], turnpike: { shutdown_grace: 0 } }, flags: ['--num_workers', '1'] })),
    async (gateway) => {
      const known = await gateway.newKey({ max_budget: 5 });
      const notYetUsed = await gateway.newKey();
      assert.equal((await gateway.chat({ model: 'gpt' }, { key: known })).status, 200);
      await gateway.rows(`api_key=${known}`, 1);
      const disk = new BrokenDisk(path.join(gateway.directory, 'data/turnpike.db'));
      try {
        disk.break();
        for (const key of [notYetUsed, 'sk-nobody-has-this-key', notYetUsed]) {
          const refused = await gateway.chat({ model: 'gpt' }, { key });
          assert.equal(refused.status, 503, refused.text);
          assert.match(refused.headers.get('retry-after'), /^[1-9]\d*$/);
          assert.match(refused.json.error.message, /database is temporarily unreachable/);
          assert.ok(!/malformed|disk image|sqlite/i.test(refused.text), refused.text);
          assert.equal((await gateway.chat({ model: 'gpt' }, { key: known })).status, 200, 'a known key');
        }
        assert.equal((await gateway.call('GET', '/v1/models', { key: 'sk-another-unknown' })).status, 503);
        const made = await gateway.call('POST', '/key/generate', { body: {} });
        assert.equal(made.status, 503, made.text);
        await until(async () => (await gateway.call('GET', '/health/readiness')).status === 503, 'readiness to say so');
      } finally {
        disk.mend();
        disk.close();
      }
      await until(async () => (await gateway.chat({ model: 'gpt' }, { key: notYetUsed })).status === 200, 'the key to be found');
      const stranger = await gateway.chat({ model: 'gpt' }, { key: 'sk-nobody-has-this-key' });
      assert.equal(stranger.status, 401, 'and no refusal was remembered as an answer');
      await gateway.rows(`api_key=${known}`, 4);
      assert.equal((await gateway.call('GET', '/health/readiness')).status, 200);
      await gateway.stop();
    },
  );
});
