using Bitflow.App.Commands;
using Bitflow.App.Commands.Top;
using Bitflow.App.Terminal;
using Bitflow.Domain;
using Bitflow.Net.Linux;
using Microsoft.FSharp.Core;

namespace Bitflow.App;

/// <summary>The program: one command, one exit status.</summary>
internal static class Program
{
    private static async Task<int> Main(string[] arguments)
    {
        // Before anything is loaded that is not needed to say so: what is missing could then not be loaded.
        if (IsShortOfDescriptors(serves: false))
            return ExitStatus.Failed;
        RuntimeSettings.ApplyBeforeCertificates();

        FSharpResult<Command, string> parsed = CommandLine.Parse(arguments, Environment.GetEnvironmentVariable("BITFLOW_CONFIG") ?? "");
        if (parsed.IsError)
        {
            Screen.Complain(Tone.Bad, $"bitflow: {parsed.ErrorValue}");
            return ExitStatus.Unusable;
        }

        try
        {
            return await RunAsync(parsed.ResultValue).ConfigureAwait(false);
        }
        catch (OutputException e)
        {
            Screen.Complain(Tone.Bad, $"bitflow: {e.Message}");
            return ExitStatus.Unusable;
        }
    }

    private static async Task<int> RunAsync(Command command) =>
        command switch
        {
            Command.Serve when IsShortOfDescriptors(serves: true) => ExitStatus.Failed,
            Command.Serve serve => await ServeCommand.RunAsync(serve.configPath).ConfigureAwait(false),
            Command.Check check => CheckCommand.Run(check.configPath, check.strict),
            Command.Explain explain => ExplainCommand.Run(explain.request),
            Command.Replay replay => ReplayCommand.Run(replay.configPath, replay.logPath, replay.asJson),
            Command.Diff diff => DiffCommand.Run(diff.before, diff.after, diff.asJson),
            Command.Test test => TestCommand.Run(test.path, test.asJson),
            Command.Top top => await TopCommand.RunAsync(top.admin).ConfigureAwait(false),
            Command.Inspect inspect => InspectCommand.Run(inspect.subject, inspect.input),
            Command.Echo echo => await EchoCommand.RunAsync(echo.addresses).ConfigureAwait(false),
            { IsSchema: true } => Print(ConfigSchema.JsonSchema),
            { IsVersion: true } => Print($"bitflow {ProductVersion.Text}"),
            Command.Help help => Print(help.page),
            _ => throw new InvalidOperationException("a command that nobody carries out"),
        };

    private static bool IsShortOfDescriptors(bool serves)
    {
        if (DescriptorBudget.StartShortage(Libc.DescriptorLimit(), Environment.ProcessorCount, serves) is not { IsSome: true, Value: var shortage })
            return false;
        Screen.Complain(Tone.Bad, $"bitflow: {shortage}");
        return true;
    }

    private static int Print(string text)
    {
        Screen.Say(text);
        return ExitStatus.Done;
    }
}
