import type { ActivityName, InputOf, Stage } from './stage.ts'

/** One way in which an activity is called. */
export interface Scenario<Name extends ActivityName = ActivityName> {
  /** Brings about what the call finds, and answers its input. */
  arrange(stage: Stage): Promise<InputOf<Name>>
  /** Brings about what it finds in Temporal, before every call. */
  arrangeOutside?(stage: Stage, input: InputOf<Name>): Promise<void>
  /** Ids of workflows and Schedules that it may start or make; found out once it is arranged. */
  starts?(stage: Stage, input: InputOf<Name>): { runs?: readonly string[]; schedules?: readonly string[] }
  /** Why a repetition answers otherwise than the first call. Absent: it must answer the same. */
  answersOtherwise?: string
}

export type ScenariosOf<Name extends ActivityName> = { [Each in Name]: Record<string, Scenario<Each>> }
