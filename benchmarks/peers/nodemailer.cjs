// The pool of nodemailer, as its documentation shows it: node nodemailer.cjs PORT MESSAGES CONNECTIONS PARAGRAPHS [KEY_FILE].
// The mails are signed where there is a key. It records nothing. It prints one JSON object.
const fs = require("fs");
const nodemailer = require("nodemailer");

const [port, messages, connections, paragraphs] = process.argv.slice(2, 6).map(Number);
const keyFile = process.argv[6];
const transport = nodemailer.createTransport({
  host: "127.0.0.1",
  port,
  pool: true,
  maxConnections: connections,
  maxMessages: Infinity,
  ignoreTLS: true,
  ...(keyFile && { dkim: { domainName: "example.com", keySelector: "r", privateKey: fs.readFileSync(keyFile, "utf8") } }),
});

const paragraph = "<p style=\"margin:0;color:#1a1a1a\">Exports are faster, and keep their columns. See §4.</p>\n";
const line = "Exports are faster.\n";

function mail(number) {
  const url = `https://mail.example.com/u/${String(number).padStart(80, "0")}`;
  return {
    from: "Acme <news@example.com>",
    to: { name: "Zoë de Vries", address: `person${number}@example.com` },
    subject: "Version 2.4.0",
    headers: { Precedence: "bulk", "Auto-Submitted": "auto-generated", "Feedback-ID": "2.4.0:release-notes:acme" },
    list: { unsubscribe: url },
    text: `Dear Ms de Vries,\n\n${line.repeat(100)}\nUnsubscribe: ${url}\n`,
    html: `<p>Dear Ms de Vries,</p>\n${paragraph.repeat(paragraphs)}<a href="${url}">Unsubscribe</a>\n`,
  };
}

async function main() {
  const began = process.hrtime.bigint();
  const sending = [];
  for (let number = 0; number < messages; number++) sending.push(transport.sendMail(mail(number)));
  await Promise.all(sending);
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  const cpu = process.cpuUsage();
  transport.close();
  console.log(JSON.stringify({ seconds, cpu_seconds: (cpu.user + cpu.system) / 1e6 }));
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
