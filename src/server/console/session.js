
// Signing in: the token is shown once, for a cookie that no script reads and a key that no other port of the machine does.
const KEY = "dsmild-key", NOBODY = { who: "", roles: [], signed_in: false };
let me = NOBODY, kept = "";

const may = role => me.roles.includes(role);

// A browser that keeps nothing still has the page itself.
function keyOf() {
  try { return localStorage.getItem(KEY) || kept; } catch { return kept; }
}

function keep(key) {
  kept = key;
  try { if (key) localStorage.setItem(KEY, key); else localStorage.removeItem(KEY); } catch { /* the page has it */ }
}

async function signIn(token, look = poll) {
  at("login-failed").textContent = "";
  try {
    const { key, ...who } = await (await ask("/api/v1/session", { method: "POST", headers: { Authorization: "Bearer " + token } })).json();
    keep(key);
    become(who);
  } catch (error) { at("login-failed").textContent = shown("signing in failed, " + error.message); }
  await look();
}

async function signOut() {
  try { await ask("/api/v1/session", { method: "DELETE" }); } catch { /* it was over */ }
  keep("");
  location.reload(); // nothing of what was shown stays
}

// Asked with every look: a reload of the daemon may have changed what one may, and a restart ends all sessions.
async function whoAmI() {
  const had = keyOf();
  become(await get("/api/v1/session"));
  if (had && !me.signed_in && keyOf() === had) {
    keep("");
    at("login-failed").textContent = shown("The session is over: the daemon was restarted, or it was long ago. Sign in again; what you were looking at stays.");
  }
}

function become(who) {
  const is_other = who.who !== me.who || who.signed_in !== me.signed_in, is_same = !is_other && String(who.roles) === String(me.roles);
  me = who;
  if (is_same) return;
  // What may be done is not the same: everything is drawn anew.
  for (const name of Object.keys(before)) delete before[name];
  forgetRows();
  if (is_other) { cutLive(); question = opened = ""; found = null; }
  if (me.signed_in) at("login-failed").textContent = "";
  // Nothing lies over the form; what was open is so again after signing in.
  if (!may("read")) for (const node of document.querySelectorAll("dialog[open]")) node.close();
  showMe();
  showState();
}

let mayHaveRead = false;
function showMe() {
  mayHaveRead = mayHaveRead || may("read");
  document.querySelector("main").classList.toggle("closed", !mayHaveRead);
  at("login").hidden = me.signed_in;
  at("me").hidden = !me.signed_in;
  at("who").textContent = shown(me.who + (me.roles.length ? " (" + me.roles.join(", ") + ")" : ""));
  at("token").placeholder = may("read") ? "token, to decide" : "token";
  at("who").title = shown(me.ends ? "until " + me.ends : "");
}

at("login").addEventListener("submit", event => {
  event.preventDefault();
  const token = at("token").value.trim();
  at("token").value = "";
  if (token) signIn(token);
});
at("sign-out").addEventListener("click", signOut);
