# N02: planned switches with backup_only=0, where the standby's kernel forwards as well.
BACKUP_ONLY_IS=0 SWITCHES_ONLY=1
# shellcheck source=tests/lab/pair-switch.sh
source "${0%/*}/pair-switch.sh"
