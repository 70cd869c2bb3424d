/*
 * Writes the names of a library's functions in the order in which a program first calls them.
 *
 *   first-calls TABLE LIBRARY OUT COMMAND...
 *
 * LIBRARY is part of the path under which COMMAND maps a copy of the library whose functions all begin with INT3. TABLE has a line for each:
 * address in hex, byte that belongs there in hex, name. A call stops the program; its byte is put back, and nothing stops there again.
 * Threads are followed; processes that it starts are not.
 */
#ifndef __x86_64__
#error "its stops are those of x86-64"
#endif
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

struct function {
	unsigned long address;
	unsigned byte;
	char *name;
	int called;
};

static struct function *functions;
static size_t count;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int by_address(const void *one, const void *other)
{
	unsigned long a = ((const struct function *)one)->address, b = ((const struct function *)other)->address;
	return (a > b) - (a < b);
}

static void read_table(const char *path)
{
	FILE *file = fopen(path, "r");
	struct function read = {0};
	if (!file)
		die(path);
	while (fscanf(file, "%lx %x %ms", &read.address, &read.byte, &read.name) == 3) {
		functions = realloc(functions, (count + 1) * sizeof *functions);
		if (!functions)
			die("realloc");
		functions[count++] = read;
	}
	fclose(file);
	qsort(functions, count, sizeof *functions, by_address);
}

static unsigned long base_of(pid_t pid, const char *library)
{
	char path[64], line[4096];
	unsigned long base = 0;
	snprintf(path, sizeof path, "/proc/%d/maps", pid);
	FILE *maps = fopen(path, "r");
	while (maps && !base && fgets(line, sizeof line, maps))
		if (strstr(line, library))
			base = strtoul(line, NULL, 16);
	if (maps)
		fclose(maps);
	return base;
}

int main(int argc, char **argv)
{
	if (argc < 5) {
		fprintf(stderr, "usage: first-calls TABLE LIBRARY OUT COMMAND...\n");
		return 2;
	}
	read_table(argv[1]);
	FILE *out = fopen(argv[3], "w");
	if (!out)
		die(argv[3]);

	pid_t program = fork();
	if (program < 0)
		die("fork");
	if (!program) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0))
			die("ptrace");
		raise(SIGSTOP);
		execvp(argv[4], argv + 4);
		die(argv[4]);
	}
	int status, memory = -1;
	unsigned long base = 0;
	if (waitpid(program, &status, 0) < 0 || !WIFSTOPPED(status))
		return 1;
	if (ptrace(PTRACE_SETOPTIONS, program, 0, PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL))
		die("ptrace");
	ptrace(PTRACE_CONT, program, 0, 0);

	for (;;) {
		pid_t thread = waitpid(-1, &status, __WALL);
		if (thread < 0)
			die("waitpid");
		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			if (thread != program)
				continue;
			if (fclose(out))
				die(argv[3]);
			return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
		}
		int signal = WSTOPSIG(status);
		struct user_regs_struct registers;
		/* A new thread, here and where it begins, and the program where it begins: all go on. */
		if (status >> 16 || signal == SIGSTOP) {
			ptrace(PTRACE_CONT, thread, 0, 0);
			continue;
		}
		if (signal != SIGTRAP) {
			ptrace(PTRACE_CONT, thread, 0, signal);
			continue;
		}
		if (!base) {
			char path[64];
			base = base_of(program, argv[2]);
			snprintf(path, sizeof path, "/proc/%d/mem", program);
			memory = open(path, O_RDWR | O_CLOEXEC);
			if (!base || memory < 0)
				die(argv[2]);
		}
		if (ptrace(PTRACE_GETREGS, thread, 0, &registers))
			die("ptrace");
		struct function key = {.address = registers.rip - 1 - base};
		struct function *function = bsearch(&key, functions, count, sizeof key, by_address);
		if (!function) {
			fprintf(stderr, "first-calls: a stop at %lx, which is not in %s\n", key.address, argv[1]);
			return 1;
		}
		unsigned char byte = function->byte;
		if (!function->called++)
			fprintf(out, "%s\n", function->name);
		if (pwrite(memory, &byte, 1, base + function->address) != 1)
			die("pwrite");
		registers.rip--;
		ptrace(PTRACE_SETREGS, thread, 0, &registers);
		ptrace(PTRACE_CONT, thread, 0, 0);
	}
}
