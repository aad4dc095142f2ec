
'use strict';
const fragment = location.hash;
history.replaceState(null, '', location.pathname);
const show = (id) => { document.getElementById(id).hidden = false; };
if (/^#1\.[A-Za-z0-9_-]{22}$/.test(fragment)) {
  const plain = location.protocol === 'http:' ? '?http' : '';
  document.getElementById('open').href = 'eyeline://' + location.host + '/j' + plain + fragment;
  show('ready');
  show('hint');
} else {
  show('broken');
}
