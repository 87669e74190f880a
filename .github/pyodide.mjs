// Runs fgrad's wheel in Pyodide: node pyodide.mjs fgrad-….whl
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { loadPyodide } from "pyodide";

const wheel = process.argv[2];
const pyodide = await loadPyodide();
await pyodide.loadPackage(["numpy", "micropip", "typing-extensions"]);
pyodide.FS.writeFile(`/tmp/${basename(wheel)}`, readFileSync(wheel));
await pyodide.runPythonAsync(`
import micropip
await micropip.install("emfs:/tmp/${basename(wheel)}", deps=False)

import numpy as np
import fgrad

x = np.linspace(-2.0, 2.0, 100_000)
f = lambda x: np.sum(np.tanh(x) ** 2)
expected = 2 * np.tanh(x) / np.cosh(x) ** 2
np.testing.assert_allclose(fgrad.grad(f)(x), expected, rtol=1e-12)
np.testing.assert_allclose(fgrad.jit(fgrad.grad(f))(x), expected, rtol=1e-12)
print("fgrad", fgrad.__version__, "works in Pyodide")
`);
