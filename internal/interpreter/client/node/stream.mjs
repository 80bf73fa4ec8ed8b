// The stream that a function made with awslambda.streamifyResponse writes to: one chunked answer.
import { Writable } from 'node:stream';

const chunk = (data) => Buffer.concat([Buffer.from(data.length.toString(16) + '\r\n'), data, Buffer.from('\r\n')]);

export function responseStream(socket, head) {
  let contentType = 'application/octet-stream';
  const begin = () => {
    if (stream.begun) return;
    stream.begun = true;
    socket.write(head(contentType));
    if (stream.prelude) socket.write(chunk(stream.prelude));
  };
  const stream = new Writable({
    write(data, encoding, done) {
      begin();
      const bytes = Buffer.isBuffer(data) ? data : Buffer.from(data, encoding);
      if (bytes.length === 0) return done();
      socket.write(chunk(bytes), done);
    },
    final(done) {
      begin();
      socket.write('0\r\n\r\n', done);
    },
  });
  stream.begun = false;
  stream.setContentType = (value) => {
    contentType = value;
  };
  return stream;
}
