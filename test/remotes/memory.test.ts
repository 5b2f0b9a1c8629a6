import { openMemoryRemote } from '../../remotes/memory.ts';
import { remoteContract } from './contract.ts';

remoteContract('memory', () => {
  const values = new Map();
  return { open: () => openMemoryRemote(values) };
});
