// Lambent's runtime client for Node.js 16 and later.
//
// It asks the Runtime API for events over one connection, a unix socket where there is one, and
// sends each answer together with the request for the next event. What a function sees (handler
// names, context, callbacks, error documents, console lines) is what it sees on AWS. While the
// function works the connection does not keep the event loop alive, so that "the loop is empty"
// means the function's own work.
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import util from 'node:util';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(import.meta.url);
const env = process.env;
const TASK_ROOT = env.LAMBDA_TASK_ROOT || '/var/task';
const JSON_LOGS = (env.AWS_LAMBDA_LOG_FORMAT || '').toUpperCase() === 'JSON';
const API = '/2018-06-01/runtime/';
const NEXT = `GET ${API}invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n`;
const HEAD_END = Buffer.from('\r\n\r\n');

// --- errors -------------------------------------------------------------------------------------

class RuntimeError extends Error {}
const kinds = {};
for (const name of [
  'ImportModuleError', 'HandlerNotFound', 'MalformedHandlerName', 'UserCodeSyntaxError',
  'MalformedStreamingHandler', 'NodeJsExit', 'UnhandledPromiseRejection',
]) {
  kinds[name] = { [name]: class extends RuntimeError {} }[name];
  kinds[name].prototype.name = `Runtime.${name}`;
}

const isError = (e) =>
  util.types.isNativeError(e) ||
  (e && ['name', 'message', 'stack'].every((k) => typeof e[k] === 'string' && e[k]));

// The error document, as AWS's client writes it.
function errorDocument(error) {
  try {
    if (isError(error)) {
      return { errorType: error.name, errorMessage: error.message, trace: error.stack.split('\n') };
    }
    return { errorType: typeof error, errorMessage: error.toString(), trace: [] };
  } catch {
    return {
      errorType: 'handled',
      errorMessage:
        'callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack',
    };
  }
}

function formatError(error) {
  try {
    return '\t' + JSON.stringify(error, (_, v) => {
      if (!(v instanceof Error)) return v;
      const all = Object.assign({ errorType: v.name, errorMessage: v.message, code: v.code }, v);
      if (typeof v.stack === 'string') all.stack = v.stack.split('\n');
      return all;
    });
  } catch {
    return '\t' + JSON.stringify(errorDocument(error));
  }
}

const intoError = (e) => (e instanceof Error ? e : new Error(e));

// --- console ------------------------------------------------------------------------------------

let requestId;
const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];

function textLine(level, ...args) {
  return `${new Date().toISOString()}\t${requestId}\t${level}\t${util.format(...args)}`;
}

function jsonLine(level, ...args) {
  const line = { timestamp: new Date().toISOString(), level, requestId };
  if (args.length === 1) {
    line.message = args[0];
    try {
      return JSON.stringify(line, (_, v) =>
        v instanceof Error
          ? { errorType: v.constructor?.name ?? 'UnknownError', errorMessage: v.message, stackTrace: v.stack?.split?.('\n'), ...v }
          : v);
    } catch {
      line.message = util.format(args[0]);
      return JSON.stringify(line);
    }
  }
  line.message = util.format(...args);
  const error = args.find((a) => a instanceof Error);
  if (error) {
    line.errorType = error.constructor?.name ?? 'UnknownError';
    line.errorMessage = error.message;
    line.stackTrace = error.stack?.split?.('\n') ?? [];
  }
  return JSON.stringify(line);
}

function patchConsole() {
  const format = JSON_LOGS ? jsonLine : textLine;
  const least = Math.max(LEVELS.indexOf((env.AWS_LAMBDA_LOG_LEVEL || '').toUpperCase()), 0);
  const writer = (level) =>
    LEVELS.indexOf(level) < least && level !== 'FATAL'
      ? () => {}
      : (...args) => {
          process.stdout.write(format(level, ...args).replace(/\n/g, '\r') + '\n');
        };
  console.trace = writer('TRACE');
  console.debug = writer('DEBUG');
  console.info = console.log = writer('INFO');
  console.warn = writer('WARN');
  console.error = writer('ERROR');
  console.fatal = writer('FATAL');
}

function logError(what, error) {
  if (JSON_LOGS) console.error(intoError(error));
  else console.error(what, formatError(intoError(error)));
}

// --- the connection -----------------------------------------------------------------------------

// Replies are read in the order of the requests: each request leaves a reader in the queue.
class Connection {
  constructor() {
    this.readers = [];
    this.rest = null;
    this.socket = env.LAMBENT_RUNTIME_SOCKET
      ? net.connect({ path: env.LAMBENT_RUNTIME_SOCKET })
      : net.connect(splitAddress(env.AWS_LAMBDA_RUNTIME_API));
    this.socket.setNoDelay(true);
    this.socket.on('data', (chunk) => this.receive(chunk));
    this.socket.on('error', () => process.exit(1));
    this.socket.on('close', () => process.exit(1));
  }

  receive(chunk) {
    let data = this.rest ? Buffer.concat([this.rest, chunk]) : chunk;
    for (;;) {
      const end = data.indexOf(HEAD_END);
      if (end < 0) break;
      const lines = data.toString('utf8', 0, end).split('\r\n');
      const headers = {};
      for (let i = 1; i < lines.length; i++) {
        const at = lines[i].indexOf(': ');
        headers[lines[i].slice(0, at).toLowerCase()] = lines[i].slice(at + 2);
      }
      const size = Number(headers['content-length'] || 0);
      if (data.length < end + 4 + size) {
        // Large: gather the rest in one piece instead of joining at each read.
        if (size > 1 << 16) return this.gather(data, end + 4 + size);
        break;
      }
      const body = data.subarray(end + 4, end + 4 + size);
      data = data.subarray(end + 4 + size);
      const reader = this.readers.shift();
      if (reader) reader(Number(lines[0].split(' ', 2)[1]), headers, body);
    }
    this.rest = data.length ? data : null;
  }

  gather(start, total) {
    const whole = Buffer.allocUnsafe(total);
    let have = start.copy(whole);
    this.rest = null;
    const normal = this.receive;
    this.receive = (chunk) => {
      const used = chunk.copy(whole, have);
      have += used;
      if (have < total) return;
      delete this.receive;
      normal.call(this, used < chunk.length ? Buffer.concat([whole, chunk.subarray(used)]) : whole);
    };
  }

  // Asks for the next event, after what is in before.
  next(before, reader) {
    this.socket.ref();
    this.readers.push((status, headers, body) => {
      if (status !== 200) {
        process.stderr.write(`the Runtime API answered ${status}: ${body}\n`);
        process.exit(1);
      }
      this.socket.unref();
      reader(headers, body);
    });
    this.socket.write(before ? before + NEXT : NEXT);
  }

  ignoreReply() {
    this.readers.push(() => {});
  }

  // Sends something last and then ends the process.
  last(request, code) {
    this.socket.ref();
    this.readers.push(() => process.exit(code));
    this.socket.write(request);
  }
}

function splitAddress(address) {
  const at = address.lastIndexOf(':');
  return { host: address.slice(0, at), port: Number(address.slice(at + 1)) };
}

const headerText = (value) => String(value).replace(/[^ -~]/g, '?');

function post(target, body, extra = '') {
  return `POST ${API}${target} HTTP/1.1\r\nHost: runtime\r\nUser-Agent: lambent-node\r\n` +
    `Content-Type: application/json\r\n${extra}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

function postError(target, error, extra = '') {
  const document = errorDocument(error);
  return post(target, JSON.stringify(document),
    `Lambda-Runtime-Function-Error-Type: ${headerText(document.errorType)}\r\n${extra}`);
}

// --- the handler --------------------------------------------------------------------------------

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');

function typeIsModule(folder) {
  for (;;) {
    if (folder.endsWith('/node_modules')) return false;
    const file = path.join(folder, 'package.json');
    if (fs.existsSync(file)) {
      try {
        return JSON.parse(fs.readFileSync(file, 'utf8')).type === 'module';
      } catch (e) {
        console.warn(`${file} cannot be read, it will be ignored for ES module detection purposes.`, e);
        return false;
      }
    }
    if (folder === path.dirname(folder)) return false;
    folder = path.dirname(folder);
  }
}

async function loadModule(root, name) {
  const base = path.resolve(TASK_ROOT, root, name);
  const required = (ext) => (fs.existsSync(base + ext) ? require(base + ext) : undefined);
  const imported = async (ext) =>
    fs.existsSync(base + ext) ? import(pathToFileURL(base + ext).href) : undefined;
  if (fs.existsSync(base) && fs.statSync(base).isFile()) return require(base);
  const esm = typeIsModule(path.dirname(base));
  const typescript = Number(process.versions.node.split('.')[0]) >= 24;
  const found =
    (!esm && required('.js')) || (esm && (await imported('.js'))) || (await imported('.mjs')) || required('.cjs') ||
    (typescript && ((!esm && required('.ts')) || (esm && (await imported('.ts'))) || (await imported('.mts')) || required('.cts')));
  if (found) return found;
  return require(require.resolve(name, { paths: [TASK_ROOT, path.resolve(TASK_ROOT, root)] }));
}

async function loadHandler(full) {
  if (full.includes('..')) {
    throw new kinds.MalformedHandlerName(
      `'${full}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  }
  const file = path.basename(full);
  const root = full.slice(0, full.indexOf(file));
  const match = file.match(/^([^.]*)\.(.*)$/);
  if (!match) throw new kinds.MalformedHandlerName('Bad handler');
  let app;
  try {
    app = await loadModule(root, match[1]);
  } catch (e) {
    if (e instanceof SyntaxError) throw new kinds.UserCodeSyntaxError(e);
    if (e?.code === 'MODULE_NOT_FOUND') throw new kinds.ImportModuleError(e);
    throw e;
  }
  const handler = match[2].split('.').reduce((at, key) => at && at[key], app);
  if (!handler) throw new kinds.HandlerNotFound(`${full} is undefined or not exported`);
  if (typeof handler !== 'function') throw new kinds.HandlerNotFound(`${full} is not a function`);
  return handler;
}

// --- one invocation -----------------------------------------------------------------------------

let onEmptyLoop = () => {};
process.on('beforeExit', () => onEmptyLoop());

const fatal = {}; // how to report an error that nobody caught: to init/error, later to the invocation

function parseHeader(text, name) {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (e) {
    throw new Error(`Cannot parse ${name} as json: ${e}`);
  }
}

function addContext(context, headers) {
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  return Object.assign(context, {
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parseHeader(headers['lambda-runtime-client-context'], 'ClientContext'),
    identity: parseHeader(headers['lambda-runtime-cognito-identity'], 'CognitoIdentity'),
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    tenantId: headers['lambda-runtime-aws-tenant-id'],
    getRemainingTimeInMillis: () => deadline - Date.now(),
  });
}

function stringify(result) {
  try {
    return JSON.stringify(result === undefined ? null : result) ?? 'null';
  } catch {
    throw new Error('Unable to stringify response body');
  }
}

class Loop {
  constructor(connection, handler) {
    this.connection = connection;
    this.handler = handler;
    this.isAsync = handler.constructor?.name === 'AsyncFunction';
    this.streaming = handler[STREAMING];
  }

  start(before) {
    onEmptyLoop = () => {};
    this.connection.next(before, (headers, body) => this.run(headers, body));
  }

  run(headers, body) {
    const id = headers['lambda-runtime-aws-request-id'];
    requestId = globalThis[Symbol.for('aws.lambda.runtime.requestId')] = id;
    if (headers['lambda-runtime-trace-id']) env._X_AMZN_TRACE_ID = headers['lambda-runtime-trace-id'];
    else delete env._X_AMZN_TRACE_ID;
    const target = `invocation/${id}/`;
    const attempt = headers['lambda-runtime-invocation-id'];
    const extra = attempt ? `Lambda-Runtime-Invocation-Id: ${attempt}\r\n` : '';
    fatal.report = (error, code) => this.connection.last(postError(target + 'error', error, extra), code);
    if (this.streaming) this.runStreaming(headers, body, target, extra);
    else this.runBuffered(headers, body, target, extra);
  }

  runBuffered(headers, body, target, extra) {
    let answered = false;
    const answer = (request) => {
      answered = true;
      this.connection.ignoreReply();
      this.start(request);
    };
    const fail = (error) => {
      logError('Invoke Error', error);
      answer(postError(target + 'error', error, extra));
    };
    const complete = (result) => answer(post(target + 'response', stringify(result), extra));

    let called = false; // only the first call of callback, done, succeed and fail counts
    const once = (f) => (...args) => {
      if (called) return;
      f(...args); // may throw: the call then did not count
      called = true;
    };
    let wait = true;
    const done = (error, result) => {
      onEmptyLoop = () => {};
      if (error !== undefined && error !== null) fail(error);
      else complete(result);
    };
    const callback = once((error, result) => {
      if ((error !== undefined && error !== null) || !wait) return done(error, result);
      const text = stringify(result);
      onEmptyLoop = () => {
        if (!answered) answer(post(target + 'response', text, extra));
      };
    });
    const context = {
      get callbackWaitsForEmptyEventLoop() {
        return wait;
      },
      set callbackWaitsForEmptyEventLoop(value) {
        wait = value;
      },
      succeed: once((result) => done(null, result)),
      fail: once((error) => done(error ?? 'handled', null)),
      done: once(done),
    };
    onEmptyLoop = () => {
      called = true;
      if (this.isAsync) {
        fail(new kinds.NodeJsExit(
          'The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly caused by a Promise ' +
          'that was never settled. For more information, see https://nodejs.org/docs/latest/api/process.html#exit-codes'));
      } else complete(null);
    };
    try {
      const result = this.handler(JSON.parse(body.toString('utf8')), addContext(context, headers), callback);
      if (typeof result?.then === 'function') {
        result.then(context.succeed, context.fail).catch(context.fail);
      }
    } catch (error) {
      callback(error);
    }
  }

  async runStreaming(headers, body, target, extra) {
    const { responseStream } = await import('./stream.mjs');
    const socket = this.connection.socket;
    const stream = responseStream(socket, (contentType) =>
      `POST ${API}${target}response HTTP/1.1\r\nHost: runtime\r\nUser-Agent: lambent-node\r\n${extra}` +
      `Content-Type: ${headerText(contentType)}\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n` +
      'Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\nTransfer-Encoding: chunked\r\n\r\n');
    const fail = (error) => {
      logError('Invoke Error', error);
      this.connection.ignoreReply();
      if (!stream.begun) return this.start(postError(target + 'error', error, extra));
      const document = errorDocument(error);
      const text = Buffer.from(JSON.stringify(document)).toString('base64');
      this.start(`0\r\nLambda-Runtime-Function-Error-Type: ${headerText(document.errorType)}\r\n` +
        `Lambda-Runtime-Function-Error-Body: ${text}\r\n\r\n`);
    };
    onEmptyLoop = () => fail(new Error('Response stream is not finished.'));
    try {
      const result = this.handler(JSON.parse(body.toString('utf8')), stream, addContext({}, headers));
      if (typeof result?.then !== 'function') throw new Error('Streaming does not support non-async handlers.');
      if ((await result) !== undefined) console.warn('Streaming handlers ignore return values.');
      if (!stream.writableEnded) throw new Error('Response stream is not finished.');
      if (!stream.writableFinished) await new Promise((resolve) => stream.once('finish', resolve));
    } catch (error) {
      return stream.writableFinished ? this.start() : fail(error);
    }
    this.connection.ignoreReply();
    this.start();
  }
}

// --- start --------------------------------------------------------------------------------------

patchConsole();
const connection = new Connection();
connection.socket.unref();
fatal.report = (error, code) => connection.last(postError('init/error', error), code);
process.on('uncaughtException', (error) => {
  logError('Uncaught Exception', error);
  fatal.report(error, 129);
});
process.on('unhandledRejection', (reason, promise) => {
  const error = new kinds.UnhandledPromiseRejection(reason);
  Object.assign(error, { reason, promise });
  logError('Unhandled Promise Rejection', error);
  fatal.report(error, 128);
});
if (!['1', 'true'].includes(env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA)) {
  globalThis.awslambda = {
    streamifyResponse: (handler) => {
      handler[STREAMING] = 'response';
      return handler;
    },
    HttpResponseStream: {
      from(stream, prelude) {
        stream.setContentType('application/vnd.awslambda.http-integration-response');
        stream.prelude = Buffer.concat([Buffer.from(JSON.stringify(prelude)), Buffer.alloc(8)]);
        return stream;
      },
    },
  };
}
try {
  new Loop(connection, await loadHandler(env._HANDLER || '')).start();
} catch (error) {
  logError('Uncaught Exception', error);
  fatal.report(error, 129);
}
