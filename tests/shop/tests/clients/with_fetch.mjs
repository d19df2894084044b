// Pays with Node's `fetch`, which does not try again by itself.

const [url, headers, body] = process.argv.slice(2);

async function pay(tries) {
  try {
    return await fetch(url, { method: "POST", headers: JSON.parse(headers), body });
  } catch (error) {
    if (tries === 1) throw error;
    return pay(tries - 1);
  }
}

const answer = await pay(5);
const replayed = answer.headers.get("Idempotent-Replayed");
console.log(JSON.stringify({ status: answer.status, replayed, body: await answer.json() }));
