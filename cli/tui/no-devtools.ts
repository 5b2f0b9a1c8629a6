/** Stands for react-devtools-core in the bundle: Ink would load it only when debugging itself. */
export default { initialize() {}, connectToDevTools() {} };
