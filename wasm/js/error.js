/** What is thrown; `code` is for programs, `message` for people. */
export class VecdeltaError extends Error {
    constructor(code, message) {
        super(message);
        this.name = 'VecdeltaError';
        this.code = code;
    }
}
