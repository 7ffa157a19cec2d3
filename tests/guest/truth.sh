# Ground truth and recordings of one table inside the guest: TABLE and CASES come with the job as files.
set -eu
table=$(cat /job/table)
mapfile -t cases </job/cases
[ "$table" != guest-memory ] || swap_on 256
export LAB_RETRIES=0 # in an emulator everything disturbs everything
export CGR_TRUTH_DIR=/out/truth CGR_BUILD=/job LAB_TABLE=/bin/true
mkdir -p /out/truth
cp -r /job/kept/. /out/truth/ # what was made before need not be made again
bash /job/truth/truth.sh "$table" --repeats "$(cat /job/repeats)" --make "${cases[@]}"
rm -rf /out/truth/data
