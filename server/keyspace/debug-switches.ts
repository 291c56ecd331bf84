/** What DEBUG turns on and off; all in their everyday position unless somebody has used the command. */
export class DebugSwitches {
  /** RESTORE and snapshots are taken without looking at their checksums. */
  skipsChecksums = false;
  /** Nothing is done periodically: no expiry, no timeouts. */
  cronPaused = false;
  /** Scripts may call what is flagged `noscript`. */
  scriptsCallAnything = false;
  /** Tables keep their size. */
  tablesFixed = false;
  /** CONFIG REWRITE writes every parameter. */
  rewritesAll = false;
}
