// An SMSC of npm's "smpp", run by node: prints its port, then a JSON line for each message; replies and receipts follow.
const smpp = require('smpp');
let last = 0;
const server = smpp.createServer((session) => {
  session.on('error', () => {});
  session.on('bind_transceiver', (pdu) => {
    const known = pdu.system_id === 'clinic' && pdu.password === 'secret';
    session.send(pdu.response({ command_status: known ? smpp.ESME_ROK : smpp.ESME_RINVPASWD }));
    if (!known) session.close();
  });
  session.on('submit_sm', (pdu) => {
    const id = `n-${++last}`;
    console.log(JSON.stringify({
      id, from: pdu.source_addr, to: pdu.destination_addr, coding: pdu.data_coding, esm: pdu.esm_class,
      registered: pdu.registered_delivery, validity: pdu.validity_period, message: pdu.short_message.message,
      udh: pdu.short_message.udh, payload: pdu.message_payload && pdu.message_payload.message,
      sar: [pdu.sar_segment_seqnum, pdu.sar_total_segments],
    }));
    const receipt = () => session.deliver_sm({
      source_addr: pdu.destination_addr, destination_addr: pdu.source_addr, esm_class: 4,
      short_message: `id:${id} sub:001 dlvrd:001 submit date:2611280300 done date:2611280301 stat:DELIVRD err:000 text:`,
      receipted_message_id: id, message_state: 2,
    }, (answer) => console.log(JSON.stringify({ acknowledged: id, status: answer.command_status })));
    if (pdu.registered_delivery && pdu.source_addr === 'Early') receipt();
    session.send(pdu.response({ message_id: id }));
    if (pdu.registered_delivery && pdu.source_addr !== 'Early') receipt();
    if (pdu.short_message.message === 'echo') {
      session.deliver_sm({ source_addr: pdu.destination_addr, destination_addr: 'Clinic', short_message: 'Спасибо €' },
        (answer) => console.log(JSON.stringify({ acknowledged: 'reply', status: answer.command_status })));
    }
  });
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => { session.send(pdu.response()); session.close(); });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
