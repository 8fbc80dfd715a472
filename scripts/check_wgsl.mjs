#!/usr/bin/env node
// Checks WGSL with Tint, Dawn's compiler, on Dawn's null backend: no GPU and no driver is needed. Every text becomes a
// shader module and, for each of its compute entry points, a pipeline with automatic layout. What naga lets pass (above
// all barriers in non-uniform control flow) is refused here.
//
//   check_wgsl.mjs [options] [folder | file.wgsl | list.json]...   nothing named: the list comes on standard input
//   check_wgsl.mjs --self-test                                     proves that the check refuses what it must
//
// A list is JSON: [{"name": "softmax 3", "wgsl": "..."}, ...]. Folders are searched through for *.wgsl.
// Each error is a line `name:line: message` on standard output. Messages that span lines are indented from the second.
//
//   --min-limits   the null backend offers WebGPU's guaranteed limits only. Without this option a pipeline that is
//                  refused for its size alone is counted, not reported: its module has been checked, and Weft checks
//                  sizes itself.
//   --out FILE     errors go to this file; Dawn itself writes warnings to standard output
//   --quiet        no summary on standard error
//
// The npm package `webgpu` is looked for in WEFT_NPM_DIR, else in build/npm beside this folder (scripts/deps.sh npm).
// Exit status: 0 all accepted, 1 errors, 2 wrong use, 3 the package is not installed.
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

class Missing extends Error {}
class Usage extends Error {}

// ---- the device ---------------------------------------------------------------------------------------------------

async function loadDawn() {
    const folder = resolve(process.env.WEFT_NPM_DIR || join(here, '..', 'build', 'npm'));
    const modules = join(folder, 'node_modules');
    if (!existsSync(join(modules, 'webgpu', 'package.json')))
        throw new Missing(`no npm package webgpu in ${modules}: run scripts/deps.sh npm, or set WEFT_NPM_DIR`);
    const entry = createRequire(join(modules, 'x.js')).resolve('webgpu');
    return import(pathToFileURL(entry).href);
}

// All features are asked for, so that f16, subgroups and subgroup matrices parse.
async function openDevice() {
    const { create, globals } = await loadDawn();
    Object.assign(globalThis, globals);
    const gpu = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);
    const adapter = await gpu.requestAdapter();
    if (!adapter) throw new Error('Dawn has no null adapter');
    const device = await adapter.requestDevice({ requiredFeatures: [...adapter.features] });
    device.addEventListener?.('uncapturederror', (event) => {
        console.error(`check_wgsl: unexpected error of the device: ${event.error.message}`);
        process.exitCode = 1;
    });
    return { gpu, device };
}

// ---- one text -----------------------------------------------------------------------------------------------------

function entryPoints(wgsl) {
    const names = [];
    const text = wgsl.replace(/\/\/[^\n]*/g, '').replace(/\/\*[\s\S]*?\*\//g, '');
    for (const match of text.matchAll(/@compute\b[^{};]*?\bfn\s+(\w+)/g)) names.push(match[1]);
    return names;
}

// Refusals that speak of the device's size or of its matrix shapes and not of the language.
const sizes = [
    /exceeds the maximum allowed/, /exceeds the limit/, /workgroup storage .*(larger|exceed)/i,
    /is larger than .*limit/, /total (number of )?workgroup (invocations|storage)/i, /maximum .* (limit|allowed)/i,
    /not a supported subgroup matrix/i, /subgroup matrix configuration/i, /multiple of the device maxSubgroupSize/,
];

function firstLines(message) {
    const lines = message.trimEnd().split('\n').filter((line) => !/^\s*- While (validating|calling)/.test(line));
    return lines.map((line, i) => (i ? '    ' + line : line)).join('\n');
}

async function checkOne(device, { name, wgsl, constants }) {
    const errors = [];
    const lines = wgsl.split('\n');
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ label: name, code: wgsl });
    const info = await module.getCompilationInfo();
    const scope = await device.popErrorScope();
    for (const message of info.messages) {
        if (message.type !== 'error') continue;
        const source = (lines[message.lineNum - 1] ?? '').trim();
        const text = firstLines(message.message) + (source ? `\n    in: ${source}` : '');
        errors.push({ line: message.lineNum, text });
    }
    if (scope && !errors.length) errors.push({ line: 0, text: firstLines(scope.message) });
    if (errors.length) return { errors, tooLarge: false };

    const entries = entryPoints(wgsl);
    if (!entries.length) errors.push({ line: 0, text: 'there is no compute entry point' });
    let tooLarge = false;
    for (const entryPoint of entries) {
        device.pushErrorScope('validation');
        device.createComputePipeline({ label: name, layout: 'auto', compute: { module, entryPoint, constants } });
        const refused = await device.popErrorScope();
        if (!refused) continue;
        const size = sizes.some((pattern) => pattern.test(refused.message));
        const line = lines.findIndex((text) => new RegExp(`\\bfn\\s+${entryPoint}\\b`).test(text)) + 1;
        if (size) tooLarge = true;
        errors.push({ line, size, text: firstLines(refused.message) });
    }
    return { errors, tooLarge };
}

async function checkAll(device, items, options) {
    let failed = 0, large = 0;
    for (const item of items) {
        const { errors, tooLarge } = await checkOne(device, item);
        const told = errors.filter((error) => options.minLimits || !error.size);
        if (tooLarge) large++;
        if (told.length) failed++;
        for (const error of told) options.print(`${item.name}:${error.line}: ${error.text}`);
    }
    return { failed, large };
}

// ---- input --------------------------------------------------------------------------------------------------------

function parseList(text, origin) {
    let list;
    try {
        list = JSON.parse(text);
    } catch (error) {
        throw new Usage(`${origin} is not JSON: ${error.message}`);
    }
    if (!Array.isArray(list)) throw new Usage(`${origin} is not a list of {name, wgsl}`);
    list.forEach((item, i) => {
        if (typeof item?.name !== 'string' || typeof item?.wgsl !== 'string')
            throw new Usage(`${origin}: item ${i} has no string "name" or no string "wgsl"`);
    });
    return list;
}

function readInput(path) {
    if (!existsSync(path)) throw new Usage(`${path} does not exist`);
    if (statSync(path).isDirectory()) {
        const all = readdirSync(path, { recursive: true }).map(String);
        const names = all.filter((name) => name.endsWith('.wgsl')).sort().map((name) => join(path, name));
        if (!names.length) throw new Usage(`${path} has no *.wgsl`);
        return names.map((name) => ({ name: relative('.', name), wgsl: readFileSync(name, 'utf8') }));
    }
    const text = readFileSync(path, 'utf8');
    return path.endsWith('.json') ? parseList(text, path) : [{ name: path, wgsl: text }];
}

// ---- self-test ----------------------------------------------------------------------------------------------------

const main = (body, head = '') => `${head}
@group(0) @binding(0) var<storage, read_write> data: array<u32>;
var<workgroup> shared_words: array<u32, 64>;
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lid: u32) {
${body}
}`;

// Each text, and what its errors must hold; null: it must be accepted. `line` is where the error must be told.
const cases = [
    { name: 'plain', expect: null,
      wgsl: main('shared_words[lid] = data[lid];\nworkgroupBarrier();\ndata[lid] = shared_words[63u - lid];') },
    { name: 'f16', wgsl: main('data[lid] = u32(f16(1.5) * f16(f32(lid)));', 'enable f16;'), expect: null },
    { name: 'subgroups', wgsl: main('data[lid] = subgroupAdd(lid);', 'enable subgroups;'), expect: null },
    { name: 'dot4', expect: null,
      wgsl: main('data[lid] = u32(dot4I8Packed(lid, 77u));', 'requires packed_4x8_integer_dot_product;') },
    { name: 'barrier under a thread condition', expect: /uniform control flow/, line: 7,
      wgsl: main('if lid < 3u {\nworkgroupBarrier();\n}\ndata[lid] = shared_words[lid];') },
    { name: 'barrier after an early return', expect: /uniform control flow/, line: 7,
      wgsl: main('if lid > 3u { return; }\nworkgroupBarrier();\ndata[lid] = shared_words[lid];') },
    { name: 'barrier in a loop bounded by a writable value', expect: /uniform control flow/, line: 7,
      wgsl: main('for (var i = 0u; i < data[0]; i++) {\nworkgroupBarrier();\n}\ndata[lid] = shared_words[lid];') },
    { name: 'no enable', wgsl: main('data[lid] = subgroupAdd(lid);'), expect: /subgroups/, line: 6 },
    { name: 'unknown name', wgsl: main('\n\ndata[lid] = nothing;'), expect: /nothing/, line: 8 },
    { name: 'no entry point', wgsl: 'fn f() {}', expect: /entry point/, line: 0 },
    { name: 'size only', size: true, expect: /./, line: 3,
      wgsl: `var<workgroup> w: array<u32, 8192>;
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) i: u32) { w[i] = i; }` },
    { name: 'threads only', size: true, expect: /./, line: 2,
      wgsl: '@compute @workgroup_size(1024)\nfn main() {}' },
    { name: 'matrix', size: 'maybe', expect: null,
      wgsl: `enable chromium_experimental_subgroup_matrix;
enable f16;
@group(0) @binding(0) var<storage, read_write> a: array<f16>;
@compute @workgroup_size(128)
fn main() {
    let m = subgroupMatrixLoad<subgroup_matrix_left<f16, 16, 16>>(&a, 0, false, 16);
    subgroupMatrixStore(&a, 256, m, false, 16);
}` },
];

async function selfTest(device) {
    let wrong = 0;
    for (const test of cases) {
        const { errors } = await checkOne(device, test);
        const [first] = errors;
        let ok;
        if (!test.expect) ok = errors.every((error) => test.size === 'maybe' && error.size);
        else ok = first && test.expect.test(first.text) && first.line === test.line && !first.size === !test.size;
        console.log(`${ok ? 'ok  ' : 'FAIL'} ${test.name}`);
        for (const error of ok ? [] : errors) console.log(`     line ${error.line}: ${error.text}`);
        if (!ok) wrong++;
    }
    const printed = []; // the way from errors to lines and counts
    const { failed, large } = await checkAll(device, cases, { minLimits: false, print: (line) => printed.push(line) });
    const refused = cases.filter((test) => test.expect && !test.size).length;
    if (failed !== refused || large < 2 || !printed.every((line) => /^[^:]+:\d+: /.test(line))) {
        console.log(`FAIL counts: ${failed} refused, expected ${refused}; ${large} too large`);
        wrong++;
    }
    return wrong;
}

// ---- main ---------------------------------------------------------------------------------------------------------

async function run(args) {
    const options = { minLimits: false, quiet: false, print: (line) => process.stdout.write(line + '\n') };
    const paths = [];
    let self = false;
    let out = null;
    const lines = [];
    for (let i = 0; i < args.length; i++) {
        const arg = args[i];
        if (arg === '--self-test') self = true;
        else if (arg === '--out') {
            out = args[++i];
            if (!out) throw new Usage('--out needs a file');
            options.print = (line) => lines.push(line + '\n');
        }
        else if (arg === '--min-limits') options.minLimits = true;
        else if (arg === '--quiet') options.quiet = true;
        else if (arg.startsWith('-')) throw new Usage(`unknown option ${arg}`);
        else paths.push(arg);
    }
    let items = [];
    if (!self) items = paths.length ? paths.flatMap(readInput) : parseList(readFileSync(0, 'utf8'), 'standard input');
    const { gpu, device } = await openDevice();
    if (self) return (await selfTest(device)) ? 1 : 0;
    const { failed, large } = await checkAll(device, items, options);
    if (out) writeFileSync(out, lines.join(''));
    if (!options.quiet) {
        const note = large ? `; ${large} need more than the guaranteed limits` : '';
        console.error(`check_wgsl: ${items.length} texts, ${failed} refused${note}`);
    }
    device.destroy();
    void gpu; // kept until here: Dawn lives as long as this object
    return failed ? 1 : 0;
}

try {
    process.exit(await run(process.argv.slice(2)));
} catch (error) {
    console.error(`check_wgsl: ${error instanceof Usage || error instanceof Missing ? error.message : error.stack}`);
    process.exit(error instanceof Usage ? 2 : error instanceof Missing ? 3 : 1);
}
