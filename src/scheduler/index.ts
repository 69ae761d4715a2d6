/** The scheduler's public face. */
export { defaultSchedulerName, type PluginArgs, type SchedulerConfig } from './config.ts';
export { createScheduler, type Scheduler, type SchedulerOptions } from './scheduler.ts';
