import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: [".venv/", "node_modules/"] },
  js.configs.recommended,
  { rules: { eqeqeq: "error", "no-var": "error", "prefer-const": "error", "no-shadow": "error" } },
  { files: ["components/**/*.js"], languageOptions: { globals: globals.browser } },
  {
    files: ["components/**/*.js"],
    rules: {
      "no-restricted-properties": [
        "error",
        ...["innerHTML", "outerHTML", "insertAdjacentHTML"].map((property) => ({
          property,
          message: "Texts come from anywhere: set textContent, which never reads markup.",
        })),
      ],
    },
  },
  { files: ["tests/frontend/*.js", "*.js"], languageOptions: { globals: globals.node } },
];
