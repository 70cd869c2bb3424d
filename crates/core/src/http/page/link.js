// The connection to the daemon: what is said while there is none, and the question for a token.

import { h, morph } from './dom.js';
import { hasToken, useToken } from './daemon.js';
import { clock } from './text.js';

/** Says plainly that what is shown is old, since when, and when it is tried again. */
export function linkBanner({ banner, words, countdown, again }, model, onAgain) {
  again.addEventListener('click', onAgain);
  function paint() {
    const { state, since, retryAt, reason } = model.link;
    document.body.dataset.link = state;
    banner.hidden = state !== 'lost' && state !== 'refused';
    if (banner.hidden) return;
    const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
    morph(words, h('strong', null, state === 'refused' ? 'The daemon does not let this page follow its events. ' : 'The daemon does not answer. '),
      state === 'refused' ? 'Devices and state are asked for again and again instead. ' : since ? `What you see is as it was at ${clock(since, 0)}. ` : 'Nothing is known of it yet. ',
      h('span', { class: 'because' }, `(${reason})`));
    // Not among the words: they are read out when they change.
    morph(countdown, seconds > 0 ? `Tried again in ${seconds} s` : 'Trying …');
  }
  return { paint };
}

/** Asks for the token; `onToken` is called once there is one to try. */
export function tokenDialog({ dialog, form, input, words }, onToken) {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const text = input.value.trim();
    // Nothing else can stand in a header.
    if (!/^[\x21-\x7e]+$/.test(text)) {
      words.textContent = 'A token is made of letters, digits and signs, without blanks.';
      input.setAttribute('aria-invalid', 'true');
      return;
    }
    useToken(text);
    input.value = '';
    input.removeAttribute('aria-invalid');
    dialog.close();
    onToken();
  });
  // Without a token there is nothing to see behind it.
  dialog.addEventListener('cancel', (event) => event.preventDefault());

  return {
    ask() {
      if (dialog.open) return;
      words.textContent = hasToken() ? 'The daemon does not accept this token. Try another one.' : '';
      input.toggleAttribute('aria-invalid', hasToken());
      if (hasToken()) input.setAttribute('aria-invalid', 'true');
      dialog.showModal();
      input.focus();
    },
  };
}
