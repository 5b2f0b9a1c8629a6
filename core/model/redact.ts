/** Takes user names and passwords out of every URL in a text: for messages. */
export const withoutSecrets = (text: string) => text.replace(/\/\/[^/@\s]*@/g, '//***@');
