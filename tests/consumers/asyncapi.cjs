// Reads an AsyncAPI document as its users' tools do, and prints what it finds as JSON.
//
//   asyncapi.cjs DOCUMENT
//
// Ends with 1 when the document breaks a rule. Hints, such as that the specification has a newer version, are no mistakes.

const { Parser, fromFile } = require("@asyncapi/parser");

const ERROR = 0;
const WARNING = 1;

async function main(path) {
  const { document, diagnostics } = await fromFile(new Parser(), path).parse();
  const wrong = diagnostics
    .filter(({ severity }) => severity === ERROR || severity === WARNING)
    .map(({ code, path: at, message }) => `${code} at ${at.join(".")}: ${message}`);
  const messages = document ? document.allMessages().all().map((message) => message.id()).sort() : [];
  const channels = document ? document.allChannels().all().map((channel) => channel.address()).sort() : [];
  console.log(JSON.stringify({ wrong, channels, messages }));
  process.exitCode = document && wrong.length === 0 ? 0 : 1;
}

main(process.argv[2]);
