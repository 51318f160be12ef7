/**
 * What each reason of a connection means, in English: the API says it in Portuguese. A test holds this to the service's own words.
 */

export const reasons = {
  never_paired: "No phone is linked yet: scan the QR code.",
  pairing_ended: "The code expired before it was scanned: ask for a new one.",
  stopped: "This session was stopped on request.",
  logged_out: "The phone unlinked this session: scan the QR code again.",
  waiting_scan: "Waiting for the phone to scan the code.",
  linking: "The phone is linked: getting the session ready.",
  starting: "Connecting to WhatsApp.",
  reconnecting: "The connection dropped: connecting again.",
  unreachable: "WhatsApp cannot be reached: trying again.",
  worker_restarting: "The engine is restarting: back in seconds.",
  connected: "Connected.",
  deaf: "WhatsApp stopped answering on this session: connecting again.",
  replaced: "This session was opened somewhere else: end the other one, then connect again.",
  banned: "WhatsApp has banned this number for a while.",
  outdated: "WhatsApp no longer accepts this version of the engine: update Vigia.",
  refused: "WhatsApp refused the connection: trying again later.",
  passkey_required: "WhatsApp lets this account be linked only with a passkey, which is not possible here yet.",
  disk_full: "The disk is nearly full: free some space. WhatsApp keeps the messages until then.",
  unwritable: "Vigia cannot write down what arrives: check the disk. WhatsApp keeps the messages until then.",
  locked: "Another process still holds this session: trying again.",
  crash_loop: "The engine crashed too often and was stopped: see the log, then restart it.",
  isolated: "The engine fails whenever this session is open: it was set apart from the others, and is tried again now and then.",
  without_session: "The record of this connection cannot be read: restore it from a copy, or delete the connection and make it anew.",
};
