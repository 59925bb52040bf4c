// JSON schemas of the vendors' wire shapes, made from the types their npm packages ship. Nothing of them is kept here.
import Ajv from 'ajv';
import path from 'node:path';
import { createGenerator } from 'ts-json-schema-generator';

const here = import.meta.dirname;

// What the types say of values in memory is different on the wire: bytes are base64.
function toWire(node) {
  if (Array.isArray(node)) return node.map(toWire);
  if (node === null || typeof node !== 'object') return node;
  if (node.properties?.BYTES_PER_ELEMENT) return { type: 'string' };
  return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, toWire(value)]));
}

// A union reports the faults of all its members: the ones that got furthest are those of the member that was meant.
function telling(errors) {
  const own = errors.filter((error) => !['anyOf', 'oneOf', 'if'].includes(error.keyword));
  const deepest = Math.max(...own.map((error) => error.instancePath.split('/').length));
  return own
    .filter((error) => error.instancePath.split('/').length === deepest)
    .map((error) => `${error.instancePath || '/'} ${error.message} ${JSON.stringify(error.params)}`);
}

/** The types of `types/<vendor>.ts` by name, `{Request, Reply, Event}` of a vendor's chat: each returns the faults of a JSON value, none for a good one. */
export function validatorsOf(vendor, names = ['Request', 'Reply', 'Event']) {
  const schema = createGenerator({
    path: path.join(here, 'types', `${vendor}.ts`),
    tsconfig: path.join(here, 'tsconfig.json'),
    type: '*',
    skipTypeCheck: true,
    additionalProperties: false,
    functions: 'hide',
    jsDoc: 'none',
  }).createSchema('*');
  const ajv = new Ajv({ strict: false, allErrors: true, logger: false });
  ajv.addSchema({ $id: vendor, definitions: toWire(schema.definitions) });
  const validators = {};
  for (const name of names) {
    const validate = ajv.compile({ $ref: `${vendor}#/definitions/${name}` });
    validators[name] = (json) => (validate(json) ? [] : telling(validate.errors));
  }
  return validators;
}
