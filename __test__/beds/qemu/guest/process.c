#define _GNU_SOURCE
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The host keeps no more than this much stdin under way for one process (agent.mjs, STDIN_WINDOW). */
#define STDIN_WINDOW (64 * 1024)
#define WORD_LIMIT 4096
#define CHUNK (16 * 1024)

struct process {
	int used;
	uint32_t id;
	pid_t pid;
	int in, out, err;
	int ended, status;
	int end_of_input;
	size_t pending_start, pending_end;
	uint8_t *pending;
};

static struct process table[PROCESS_LIMIT];

static struct process *find(uint32_t id)
{
	for (size_t i = 0; i < PROCESS_LIMIT; i++)
		if (table[i].used && table[i].id == id)
			return &table[i];
	return NULL;
}

static void shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void send_failed(uint32_t id, char step, int32_t error)
{
	uint8_t payload[5] = { (uint8_t)step };
	memcpy(payload + 1, &error, 4);
	link_send(FRAME_FAILED, id, payload, sizeof payload);
}

static void send_taken(const struct process *process, size_t length)
{
	uint32_t bytes = (uint32_t)length;
	if (bytes)
		link_send(FRAME_TAKEN, process->id, &bytes, sizeof bytes);
}

/* Runs in the child. The step that fails goes up the pipe; success closes it. */
_Noreturn static void become(char **words, size_t count, int report)
{
	uid_t uid = (uid_t)strtoul(words[0], NULL, 10);
	gid_t gid = (gid_t)strtoul(words[1], NULL, 10);
	size_t argc = strtoul(words[3], NULL, 10);
	static char *argv[WORD_LIMIT + 1];
	sigset_t none;
	char step;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setsid();

	memcpy(argv, words + 4, argc * sizeof *argv);
	environ = words + 4 + argc;
	words[count] = NULL;

	step = 'c';
	if (chdir(words[2]) == 0) {
		step = 'u';
		if (uid == 0 || (setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0 && setresuid(uid, uid, uid) == 0)) {
			step = 'e';
			execvp(argv[0], argv);
		}
	}
	uint8_t failure[5] = { (uint8_t)step };
	int32_t error = errno;
	memcpy(failure + 1, &error, 4);
	if (write(report, failure, sizeof failure) < 0)
		_exit(126);
	_exit(127);
}

static size_t split(const struct frame *frame, char **words)
{
	size_t count = 0;
	char *word = (char *)frame->data, *end = word + frame->length;

	while (word < end && count < WORD_LIMIT) {
		char *nul = memchr(word, 0, (size_t)(end - word));
		if (!nul)
			break;
		words[count++] = word;
		word = nul + 1;
	}
	return count;
}

void process_spawn(const struct frame *frame)
{
	static char *words[WORD_LIMIT + 1];
	size_t count = split(frame, words);
	struct process *process = NULL;
	int in[2], out[2], err[2], report[2];
	uint8_t failure[5];

	for (size_t i = 0; i < PROCESS_LIMIT && !process; i++)
		if (!table[i].used)
			process = &table[i];
	if (!process || count < 5 || strtoul(words[3], NULL, 10) > count - 4) {
		send_failed(frame->id, 'f', process ? EINVAL : EAGAIN);
		return;
	}
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC) || pipe2(report, O_CLOEXEC))
		give_up("pipe");

	pid_t pid = fork();
	if (pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(err[1], 2);
		become(words, count, report[1]);
	}
	int fork_error = errno;
	close(in[0]);
	close(out[1]);
	close(err[1]);
	close(report[1]);
	ssize_t failed = pid < 0 ? 0 : read(report[0], failure, sizeof failure);
	close(report[0]);
	if (pid < 0 || failed == sizeof failure) {
		close(in[1]);
		close(out[0]);
		close(err[0]);
		if (pid < 0)
			send_failed(frame->id, 'f', fork_error);
		else
			link_send(FRAME_FAILED, frame->id, failure, sizeof failure);
		return;
	}
	*process = (struct process){ .used = 1, .id = frame->id, .pid = pid, .in = in[1], .out = out[0], .err = err[0] };
	process->pending = malloc(STDIN_WINDOW);
	if (!process->pending)
		give_up("malloc");
	fcntl(process->in, F_SETFL, O_NONBLOCK);
	fcntl(process->out, F_SETFL, O_NONBLOCK);
	fcntl(process->err, F_SETFL, O_NONBLOCK);
	uint32_t number = (uint32_t)pid;
	link_send(FRAME_STARTED, process->id, &number, sizeof number);
}

static void feed(struct process *process)
{
	while (process->in >= 0 && process->pending_end > process->pending_start) {
		ssize_t written = write(process->in, process->pending + process->pending_start, process->pending_end - process->pending_start);
		if (written < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (written < 0) {
			shut(&process->in);
			break;
		}
		process->pending_start += (size_t)written;
		send_taken(process, (size_t)written);
	}
	if (process->in < 0)
		send_taken(process, process->pending_end - process->pending_start);
	process->pending_start = process->pending_end = 0;
	if (process->end_of_input)
		shut(&process->in);
}

void process_stdin(const struct frame *frame)
{
	struct process *process = find(frame->id);

	if (!process)
		return;
	if (frame->length == 0)
		process->end_of_input = 1;
	memmove(process->pending, process->pending + process->pending_start, process->pending_end - process->pending_start);
	process->pending_end -= process->pending_start;
	process->pending_start = 0;
	if (frame->length > STDIN_WINDOW - process->pending_end) {
		errno = EPROTO;
		give_up("more stdin than the window");
	}
	memcpy(process->pending + process->pending_end, frame->data, frame->length);
	process->pending_end += frame->length;
	feed(process);
}

void process_kill(const struct frame *frame)
{
	struct process *process = find(frame->id);

	if (process && !process->ended && frame->length == 1)
		kill(process->pid, frame->data[0]);
}

/* Sends what the stream holds, as far as the line has room. True once nothing more is to come now. */
static int forward(struct process *process, int *fd, enum frame_type type)
{
	static uint8_t chunk[CHUNK];

	while (*fd >= 0) {
		size_t room = link_room();
		if (room == 0)
			return 0;
		ssize_t got = read(*fd, chunk, room < CHUNK ? room : CHUNK);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			return 1;
		if (got <= 0)
			shut(fd);
		else
			link_send(type, process->id, chunk, (size_t)got);
	}
	return 1;
}

/* The end is told after the last output. Descendants that still hold the pipes do not delay it, as with Node's 'exit' event. */
static void finish(struct process *process)
{
	if (!process->ended)
		return;
	if (!forward(process, &process->out, FRAME_STDOUT) || !forward(process, &process->err, FRAME_STDERR))
		return;
	int32_t status = process->status;
	link_send(FRAME_EXIT, process->id, &status, sizeof status);
	shut(&process->in);
	shut(&process->out);
	shut(&process->err);
	free(process->pending);
	process->used = 0;
}

void process_reap(void)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < PROCESS_LIMIT; i++)
			if (table[i].used && table[i].pid == pid && !table[i].ended) {
				table[i].ended = 1;
				table[i].status = status;
				finish(&table[i]);
			}
}

static size_t watch(struct pollfd *polls, int fd, short events)
{
	if (fd < 0)
		return 0;
	*polls = (struct pollfd){ .fd = fd, .events = events };
	return 1;
}

size_t process_polls(struct pollfd *polls)
{
	size_t count = 0;
	int room = link_room() > 0;

	for (size_t i = 0; i < PROCESS_LIMIT; i++) {
		struct process *process = &table[i];
		if (!process->used)
			continue;
		if (room)
			finish(process);
		if (!process->used)
			continue;
		if (process->pending_end > process->pending_start)
			count += watch(polls + count, process->in, POLLOUT);
		if (room) {
			count += watch(polls + count, process->out, POLLIN);
			count += watch(polls + count, process->err, POLLIN);
		}
	}
	return count;
}

void process_serve(const struct pollfd *polls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!polls[i].revents)
			continue;
		for (size_t j = 0; j < PROCESS_LIMIT; j++) {
			struct process *process = &table[j];
			if (!process->used)
				continue;
			if (polls[i].fd == process->in)
				feed(process);
			else if (polls[i].fd == process->out)
				forward(process, &process->out, FRAME_STDOUT);
			else if (polls[i].fd == process->err)
				forward(process, &process->err, FRAME_STDERR);
		}
	}
}
