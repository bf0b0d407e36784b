// Azure's JavaScript clients against a running mock-keyvault: each operation of the clients, with the challenge verified.
//
//   VAULT_URL=https://local.vault.localhost:PORT LOGIN_URL=https://login.localhost:PORT \
//   NODE_EXTRA_CA_CERTS=ca.pem node --test smoke.mjs
//
// Names under `localhost` resolve in browsers, but not in every C library, so this file makes Node resolve them to this machine.
// scripts/e2e-vault starts the vault, installs the versions in package-lock.json and runs this file.

import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, randomUUID, webcrypto } from "node:crypto";
import dns from "node:dns";
import test from "node:test";

// The clients require Node 20. On Node 18, which Debian 12 has, they only lack this global.
globalThis.crypto ??= webcrypto;

const resolve = dns.lookup;
dns.lookup = (host, ...rest) => resolve(host.endsWith(".localhost") ? "127.0.0.1" : host, ...rest);

const { ClientSecretCredential } = await import("@azure/identity");
const { CryptographyClient, KeyClient } = await import("@azure/keyvault-keys");

const TENANT = "00000000-0000-4000-8000-00000000a001";
const OWNER = "00000000-0000-4000-8000-00000000a003";
const IDENTITY = "00000000-0000-4000-8000-00000000a004";
const { VAULT_URL, LOGIN_URL } = process.env;

const credential = (client, secret = "sealyard") =>
  new ClientSecretCredential(TENANT, client, secret, { authorityHost: LOGIN_URL, disableInstanceDiscovery: true });
const owner = credential(OWNER);
const keys = new KeyClient(VAULT_URL, owner);
const crypto = (key) => new CryptographyClient(key, owner);
const fresh = (name) => `js-${name}-${randomUUID().slice(0, 8)}`;
const hash = (bits, text) => createHash(`sha${bits}`).update(text).digest();
const refused = (statusCode, code) => (error) => {
  assert.equal(error.statusCode, statusCode, String(error));
  if (code) assert.equal(error.code, code);
  return true;
};
async function collect(pages) {
  const found = [];
  for await (const item of pages) found.push(item);
  return found;
}

test("the lifecycle of a key: create, get, list, versions, update, delete, recover, purge", async () => {
  const name = fresh("life");
  const first = await keys.createRsaKey(name, { tags: { a: "b" } });
  const second = await keys.createRsaKey(name, { keySize: 3072 });
  assert.equal(first.id, `${VAULT_URL}/keys/${name}/${first.properties.version}`);
  assert.equal((await keys.getKey(name)).id, second.id);
  assert.deepEqual((await keys.getKey(name, { version: first.properties.version })).properties.tags, { a: "b" });
  assert.ok((await collect(keys.listPropertiesOfKeys())).some((key) => key.name === name));
  assert.equal((await collect(keys.listPropertiesOfKeyVersions(name))).length, 2);
  const changed = await keys.updateKeyProperties(name, { enabled: false, tags: { c: "d" } });
  assert.equal(changed.properties.enabled, false);
  const deleting = await keys.beginDeleteKey(name, { intervalInMs: 50 });
  const deleted = await deleting.pollUntilDone();
  assert.equal(deleted.properties.recoveryId, `${VAULT_URL}/deletedkeys/${name}`);
  await assert.rejects(keys.createRsaKey(name), refused(409, "Conflict"));
  assert.ok((await collect(keys.listDeletedKeys())).some((key) => key.name === name));
  const recovering = await keys.beginRecoverDeletedKey(name, { intervalInMs: 50 });
  assert.equal((await recovering.pollUntilDone()).name, name);
  await (await keys.beginDeleteKey(name, { intervalInMs: 50 })).pollUntilDone();
  await keys.purgeDeletedKey(name);
  await assert.rejects(keys.getDeletedKey(name), refused(404, "KeyNotFound"));
});

test("a wrapped value is unwrapped, with and without a version", async () => {
  const key = await keys.createRsaKey(fresh("wrap"));
  for (const id of [key.id, key.id.slice(0, key.id.lastIndexOf("/"))]) {
    for (const algorithm of ["RSA1_5", "RSA-OAEP", "RSA-OAEP-256"]) {
      const { result } = await crypto(id).wrapKey(algorithm, Buffer.from("data key"));
      assert.equal(Buffer.from((await crypto(id).unwrapKey(algorithm, result)).result).toString(), "data key");
    }
  }
});

test("an encrypted value is decrypted, and signatures verify", async () => {
  const key = await keys.createRsaKey(fresh("rsa"));
  for (const algorithm of ["RSA1_5", "RSA-OAEP", "RSA-OAEP-256"]) {
    const { result } = await crypto(key).encrypt({ algorithm, plaintext: Buffer.from("plain") });
    const opened = await crypto(key).decrypt({ algorithm, ciphertext: result });
    assert.equal(Buffer.from(opened.result).toString(), "plain");
  }
  for (const algorithm of ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]) {
    await signs(key, algorithm);
  }
  const curves = { "P-256": "ES256", "P-256K": "ES256K", "P-384": "ES384", "P-521": "ES512" };
  for (const [curve, algorithm] of Object.entries(curves)) {
    const elliptic = await keys.createEcKey(fresh("ec"), { curve });
    assert.equal(elliptic.key.crv, curve);
    await signs(elliptic, algorithm);
  }
});

async function signs(key, algorithm) {
  const digest = hash(algorithm.slice(2, 5), "signed");
  const { result } = await crypto(key).sign(algorithm, digest);
  assert.equal((await crypto(key).verify(algorithm, digest, result)).result, true, algorithm);
  assert.equal((await crypto(key).verify(algorithm, Buffer.alloc(digest.length), result)).result, false, algorithm);
}

test("a key is backed up and restored, imported, and rotated", async () => {
  const name = fresh("moves");
  const made = await keys.createRsaKey(name);
  const backup = await keys.backupKey(name);
  await (await keys.beginDeleteKey(name, { intervalInMs: 50 })).pollUntilDone();
  await keys.purgeDeletedKey(name);
  assert.equal((await keys.restoreKeyBackup(backup)).id, made.id);
  const policy = { expiresIn: "P90D", lifetimeActions: [{ action: "Rotate", timeAfterCreate: "P30D" }] };
  assert.equal((await keys.updateKeyRotationPolicy(name, policy)).expiresIn, "P90D");
  assert.deepEqual((await keys.getKeyRotationPolicy(name)).lifetimeActions.map(({ action }) => action), ["Rotate", "Notify"]);
  assert.notEqual((await keys.rotateKey(name)).id, made.id);
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwk = privateKey.export({ format: "jwk" });
  const bytes = Object.entries(jwk).map(([part, text]) => [part, part === "kty" ? text : Buffer.from(text, "base64url")]);
  const imported = await keys.importKey(fresh("import"), Object.fromEntries(bytes));
  assert.equal(Buffer.from(imported.key.n).toString("base64url"), jwk.n);
  assert.equal(imported.key.d, undefined);
});

test("refusals carry Azure's status and code", async () => {
  const name = fresh("refused");
  await assert.rejects(keys.getKey(name), refused(404, "KeyNotFound"));
  const key = await keys.createRsaKey(name);
  const { result } = await crypto(key).wrapKey("RSA-OAEP-256", Buffer.from("x"));
  await keys.updateKeyProperties(name, { enabled: false });
  await assert.rejects(crypto(key.id).unwrapKey("RSA-OAEP-256", result), refused(403, "Forbidden"));
  await assert.rejects(new KeyClient(VAULT_URL, credential(IDENTITY)).createRsaKey(name), refused(403, "Forbidden"));
  await assert.rejects(new KeyClient(VAULT_URL, credential(OWNER, "wrong")).getKey(name), /AADSTS7000215/);
});

test("the challenge is verified: an address that is not in it is refused", async () => {
  const address = VAULT_URL.replace("local.vault.localhost", "localhost");
  await assert.rejects(new KeyClient(address, owner).getKey("any"), /does not match the requested domain/);
  const lax = new KeyClient(address, owner, { disableChallengeResourceVerification: true });
  await assert.rejects(lax.getKey("any"), refused(404, "KeyNotFound"));
});
