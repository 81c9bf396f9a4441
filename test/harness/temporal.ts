/**
 * Settings of a server for one test at a time: a task queue as one list. The usual four have most tasks and polls handed on
 * from one to another, an eighth of what the server does here; nothing is promised about their order either way. Servers
 * that the command starts by itself keep the four.
 */
export const ONE_PARTITION = { 'matching.numTaskqueueReadPartitions': 1, 'matching.numTaskqueueWritePartitions': 1 }
