// The pool of nodemailer, from npm: node nodemailer_peer.cjs PORT MESSAGES CONNECTIONS LENGTH. It records nothing.
const nodemailer = require("nodemailer");

const [port, messages, connections, length] = process.argv.slice(2).map(Number);
const transport = nodemailer.createTransport({
  host: "127.0.0.1",
  port,
  pool: true,
  maxConnections: connections,
  maxMessages: Infinity,
  ignoreTLS: true,
});
const line = "Exports are faster, and keep their columns.\r\n";
const raw = "From: news@example.com\r\nSubject: Version 2.4.0\r\n\r\n" + line.repeat(Math.ceil(length / line.length));

async function main() {
  const sending = [];
  for (let number = 0; number < messages; number++) {
    const envelope = { from: "news@example.com", to: `person${number}@example.org` };
    sending.push(transport.sendMail({ envelope, raw }));
  }
  await Promise.all(sending);
  transport.close();
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
