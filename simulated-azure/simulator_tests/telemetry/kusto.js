// Parse KQL with Microsoft's own parser against the tables of Application Insights.
// Reads {"tables": {name: "(column: type, …)"}, "queries": {name: text}}, writes {name: {complaints, columns}}.
"use strict";
const fs = require("fs");
const path = require("path");
const folder = process.argv[2];
// The two files share one global scope, as in a browser.
const load = (name) => (0, eval)(fs.readFileSync(path.join(folder, name), "utf8"));
load("bridge.min.js");
load("Kusto.Language.Bridge.min.js");
const { symbols, tables, queries } = { symbols: Kusto.Language.Symbols, ...JSON.parse(fs.readFileSync(0, "utf8")) };
const known = Object.entries(tables).map(([name, columns]) => symbols.TableSymbol.From(columns).WithName(name));
const globals = Kusto.Language.GlobalState.Default.WithDatabase(new symbols.DatabaseSymbol.ctor("insights", known));
const listed = (found, text) => Array.from({ length: found.Count }, (_, index) => text(found.getItem(index)));
const judged = (query) => {
  const code = Kusto.Language.KustoCode.ParseAndAnalyze(query, globals);
  const columns = code.ResultType && code.ResultType.Columns;
  return {
    complaints: listed(code.GetDiagnostics(), (each) => each.Message),
    columns: columns ? listed(columns, (each) => each.Name) : [],
  };
};
console.log(JSON.stringify(Object.fromEntries(Object.entries(queries).map(([name, text]) => [name, judged(text)]))));
