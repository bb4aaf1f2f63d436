using Bitflow.App.Commands;
using Bitflow.Domain;
using Microsoft.FSharp.Core;

namespace Bitflow.App;

/// <summary>The program: one command, one exit status.</summary>
internal static class Program
{
    private static async Task<int> Main(string[] arguments)
    {
        FSharpResult<Command, string> parsed = CommandLine.Parse(arguments, Environment.GetEnvironmentVariable("BITFLOW_CONFIG") ?? "");
        if (parsed.IsError)
        {
            await Console.Error.WriteLineAsync($"bitflow: {parsed.ErrorValue}").ConfigureAwait(false);
            await Console.Error.WriteLineAsync("Try: bitflow --help").ConfigureAwait(false);
            return ExitStatus.Unusable;
        }

        return parsed.ResultValue switch
        {
            Command.Serve serve => await ServeCommand.RunAsync(serve.configPath).ConfigureAwait(false),
            Command.Check check => CheckCommand.Run(check.configPath),
            Command.Explain explain => ExplainCommand.Run(explain.request),
            Command.Replay replay => ReplayCommand.Run(replay.configPath, replay.logPath),
            Command.Diff diff => DiffCommand.Run(diff.before, diff.after),
            Command.Test test => TestCommand.Run(test.path),
            Command.Top top => await TopCommand.RunAsync(top.admin).ConfigureAwait(false),
            Command.Inspect inspect => InspectCommand.Run(inspect.what, inspect.input),
            Command.Echo echo => await EchoCommand.RunAsync(echo.addresses).ConfigureAwait(false),
            { IsSchema: true } => Print(ConfigSchema.JsonSchema),
            { IsVersion: true } => Print($"bitflow {ProductVersion.Text}"),
            _ => Print(CommandLine.help.TrimEnd('\n')),
        };
    }

    private static int Print(string text)
    {
        Console.Out.WriteLine(text);
        return ExitStatus.Done;
    }
}
