
// The link that the daemon shows on its terminal brings the token, which stays in neither the history nor the page.
function broughtToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token) history.replaceState(null, "", location.pathname + location.search);
  return token;
}

addEventListener("hashchange", () => { const token = broughtToken(); if (token) signIn(token); });
const brought = broughtToken();
showMe();
showState();
if (brought) signIn(brought, polling); else polling();
