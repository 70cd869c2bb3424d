// What kernel tests ask of their guest by its shell.

/** What a command says in the guest, or an error with what the guest's journal has. */
export async function saidBy(bed, command) {
  const { code, stdout, stderr } = await bed.shell(command, { cwd: '/' });
  if (code !== 0) throw new Error(`${command}: exit ${code}: ${stderr || stdout}\n${(await bed.shell('journalctl -b --no-pager -o cat | tail -30', { cwd: '/' })).stdout}`);
  return stdout;
}

/** Brings vhci's controllers in before anybody counts. */
export async function bringInVhci(bed) {
  const first = await bed.plugSynthetic({});
  await bed.settle(first, 'bind');
  await bed.unplug(first);
  await bed.settle(first, 'gone');
}

/** What a daemon in the guest answers to GET. */
export async function fetched(bed, port, path) {
  const program = `fetch('http://127.0.0.1:${port}${path}').then(async (answer) => console.log(await answer.text()))`;
  return (await bed.exec([process.execPath, '-e', program], { cwd: '/' })).stdout;
}
