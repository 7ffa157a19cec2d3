# Reads a file twice, a piece every 2 ms: the page cache of a reader that is not in a hurry.
use strict;
use warnings;
use Time::HiRes qw(usleep);
for (1 .. 2) {
	open my $file, '<', $ARGV[0] or die "$ARGV[0]: $!";
	while (sysread $file, my $piece, 65536) {
		usleep(2000);
	}
	close $file;
}
