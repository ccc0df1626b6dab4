// The websocket to the server: messages come in, the newest of each kind; commands go out.

let socket = null;
let wait = 500;
const TRY_LATER = 1013; // why a server closes a page too many

/**
 * Call `onMessage(kind, value)` for every message, and `onState` with "connected", "cut off" or "crowded"; connect
 * again when cut. A server of another start knows this page's address no longer: then the state is "replaced", for good.
 */
export function connect(onMessage, onState) {
  const address = new URL("live", location.href);
  address.protocol = "ws:";
  address.hash = "";
  socket = new WebSocket(address);
  socket.onopen = () => {
    wait = 500;
    onState("connected");
  };
  socket.onmessage = (event) => onMessage(event.data[0], JSON.parse(event.data.slice(1)));
  socket.onclose = async ({ code }) => {
    const answer = await fetch("guides.json").catch(() => null);
    if (answer?.status === 404) {
      onState("replaced");
      return;
    }
    onState(code === TRY_LATER ? "crowded" : "cut off");
    setTimeout(() => connect(onMessage, onState), wait);
    wait = Math.min(2 * wait, 8000);
  };
}

export function send(name, fields = {}) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ do: name, ...fields }));
}
