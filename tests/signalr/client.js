// Connects the real SignalR client to a hub, several tabs at once, and writes what happens as lines of JSON to standard output.
// Its one argument is JSON: {url, token, transport, tabs, protocol, serverTimeoutMs, skipNegotiation}. Lines of standard input:
// `token TEXT` (for the next connection), `invoke METHOD`; its end stops the connections.

import * as signalR from "@microsoft/signalr";
import { MessagePackHubProtocol } from "@microsoft/signalr-protocol-msgpack";
import readline from "node:readline";

const options = JSON.parse(process.argv[2]);
const transports = {
  ws: signalR.HttpTransportType.WebSockets,
  sse: signalR.HttpTransportType.ServerSentEvents,
};
let token = options.token;

function say(tab, event, more = {}) {
  process.stdout.write(JSON.stringify({ tab, event, ...more }) + "\n");
}

function connection(tab) {
  const builder = new signalR.HubConnectionBuilder()
    .withUrl(options.url, {
      ...(token === undefined ? {} : { accessTokenFactory: () => token }),
      ...(options.transport === undefined ? {} : { transport: transports[options.transport] }),
      ...(options.skipNegotiation ? { skipNegotiation: true } : {}),
    })
    .withAutomaticReconnect({ nextRetryDelayInMilliseconds: () => 100 })
    .configureLogging(signalR.LogLevel.None);
  if (options.protocol === "messagepack") {
    builder.withHubProtocol(new MessagePackHubProtocol());
  }
  const made = builder.build();
  if (options.serverTimeoutMs !== undefined) {
    made.serverTimeoutInMilliseconds = options.serverTimeoutMs;
  }
  made.on("ReceiveNotification", (type, message, ...more) => say(tab, "received", { type, message, more: more.length }));
  made.onreconnecting((error) => say(tab, "reconnecting", { error: error?.message }));
  made.onreconnected(() => say(tab, "reconnected"));
  made.onclose((error) => say(tab, "closed", { error: error?.message }));
  return made;
}

const tabs = [];
for (let tab = 0; tab < (options.tabs ?? 1); tab++) {
  tabs.push(connection(tab));
}
await Promise.all(
  tabs.map(async (one, tab) => {
    try {
      await one.start();
      say(tab, "connected", { id: one.connectionId });
    } catch (error) {
      say(tab, "failed", { error: error.message });
    }
  }),
);

const lines = readline.createInterface({ input: process.stdin });
for await (const line of lines) {
  const [word, ...rest] = line.split(" ");
  if (word === "token") {
    token = rest.join(" ");
    say(0, "token");
  } else if (word === "invoke") {
    tabs[0].invoke(rest.join(" ")).then(
      (result) => say(0, "invoked", { result }),
      (error) => say(0, "invoked", { error: error.message }),
    );
  }
}
await Promise.all(tabs.map((one) => one.stop()));
process.exit(0);
