using System.Diagnostics;
using System.Text;

namespace Bitflow.Tests.Fixtures;

/// <summary>A program that a test started: its output as it comes, signals, its end. Ended with the test, by its id.</summary>
internal class ChildProcess : IDisposable
{
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _errors = new();

    public ChildProcess(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null, string? workingDirectory = null)
    {
        var start = new ProcessStartInfo(program)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            WorkingDirectory = workingDirectory ?? "",
        };
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        foreach ((string name, string value) in environment ?? new Dictionary<string, string>())
            start.Environment[name] = value;
        Process = new Process { StartInfo = start };
        Process.OutputDataReceived += (_, line) => Append(_output, line.Data);
        Process.ErrorDataReceived += (_, line) => Append(_errors, line.Data);
        Process.Start();
        Process.BeginOutputReadLine();
        Process.BeginErrorReadLine();
    }

    public Process Process { get; }

    public int Id => Process.Id;

    public StreamWriter Input => Process.StandardInput;

    public string Output
    {
        get
        {
            lock (_output)
                return _output.ToString();
        }
    }

    public string Errors
    {
        get
        {
            lock (_errors)
                return _errors.ToString();
        }
    }

    public bool HasExited => Process.HasExited;

    /// <summary>Runs a program to its end.</summary>
    public static async Task<(int Status, string Output, string Errors)> RunAsync(
        string program, IEnumerable<string> arguments, string? input = null, IReadOnlyDictionary<string, string>? environment = null, TimeSpan? patience = null)
    {
        using var child = new ChildProcess(program, arguments, environment);
        try
        {
            if (input is not null)
                await child.Input.WriteAsync(input).WaitAsync(patience ?? Eventually.Patience);
            child.Input.Close();
        }
        catch (IOException)
        {
            // It ended without having read it all: what it said tells more.
        }

        int status = await child.ExitAsync(patience);
        return (status, child.Output, child.Errors);
    }

    /// <summary>The exit status, once it has ended by itself.</summary>
    public async Task<int> ExitAsync(TimeSpan? patience = null)
    {
        try
        {
            await Process.WaitForExitAsync().WaitAsync(patience ?? Eventually.Patience);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"{Process.StartInfo.FileName} did not end; it said:\n{Output}{Errors}");
        }

        return Process.ExitCode;
    }

    /// <summary>Waits until its standard error holds a text.</summary>
    public Task SaysAsync(string text) => Eventually.IsTrueAsync(() => Errors.Contains(text, StringComparison.Ordinal) || CheckAlive(text), () => $"it says \"{text}\"; it said:\n{Errors}");

    /// <summary>Whether one of its threads waits for room in a pipe.</summary>
    public bool WaitsToWrite() => Directory.GetDirectories($"/proc/{Id}/task").Any(static thread =>
    {
        try
        {
            return File.ReadAllText(Path.Combine(thread, "wchan")).Contains("pipe_write", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            // The thread has ended meanwhile.
            return false;
        }
    });

    public void Signal(string name)
    {
        using var kill = System.Diagnostics.Process.Start("kill", [$"-{name}", Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        kill.WaitForExit(Eventually.Patience);
    }

    public virtual void Dispose()
    {
        if (!Process.HasExited)
        {
            try
            {
                Process.Kill(entireProcessTree: true);
                Process.WaitForExit(5_000);
            }
            catch (InvalidOperationException)
            {
                // It ended between the question and the call.
            }
        }

        Process.Dispose();
        GC.SuppressFinalize(this);
    }

    private bool CheckAlive(string text)
    {
        if (Process.HasExited)
        {
            // What it said last may be on its way; a child of its own may hold the pipe for longer.
            Process.WaitForExitAsync().Wait(Eventually.Patience);
            if (!Errors.Contains(text, StringComparison.Ordinal))
                throw new InvalidOperationException($"{Process.StartInfo.FileName} ended with {Process.ExitCode} and never said \"{text}\":\n{Output}{Errors}");
        }

        return false;
    }

    private static void Append(StringBuilder to, string? line)
    {
        if (line is null)
            return;
        lock (to)
            to.AppendLine(line);
    }
}
