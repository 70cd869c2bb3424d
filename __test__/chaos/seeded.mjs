// Random numbers that can be had again: the seed is printed, and USB_DAEMON_SEED takes it.

export function seeded() {
  const seed = Number(process.env.USB_DAEMON_SEED ?? Math.floor(Math.random() * 2 ** 32));
  console.log(`seed ${seed}: USB_DAEMON_SEED=${seed} repeats the choices of this run`);
  let state = seed >>> 0;
  // mulberry32: small, and good enough to choose instants with.
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { seed, next, below: (limit) => Math.floor(next() * limit) };
}
