using System.Text.Json;
using VmScope.Kernels;

namespace VmScope.Proc;

/// <summary>The description beside a recorded boot: what was started, and how.</summary>
/// <param name="Name">The recording's name.</param>
/// <param name="Architecture">The architecture named.</param>
/// <param name="Banner">The "Linux version" banner.</param>
/// <param name="CommandLine">The kernel command line.</param>
/// <param name="Config">The configuration values listed: an excerpt.</param>
/// <param name="CpuCount">Processors of the machine; null when not given.</param>
/// <param name="RamMiB">RAM of the machine; null when not given.</param>
public sealed record CaseReport(
    string? Name, Architecture Architecture, string? Banner, string? CommandLine, KernelConfig Config, int? CpuCount, int? RamMiB);

/// <summary>Reads case.json.</summary>
public static class CaseFile
{
    private const int LimitBytes = 4 << 20;

    /// <summary>Reads a description; members of another kind are passed over.</summary>
    /// <exception cref="EvidenceException">The text is no JSON object, or is far too long.</exception>
    public static CaseReport Read(Stream stream, string file)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(SmallFile.ReadAll(stream, file, LimitBytes),
                new JsonDocumentOptions { MaxDepth = 32 });
            JsonElement root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object)
            {
                throw new EvidenceException($"{file}: holds a JSON {root.ValueKind}, not an object");
            }

            List<KeyValuePair<string, string>> config = [];
            if (root.TryGetProperty("config", out JsonElement values) && values.ValueKind == JsonValueKind.Object)
            {
                foreach (JsonProperty property in values.EnumerateObject())
                {
                    if (property.Value.ValueKind == JsonValueKind.String)
                    {
                        config.Add(new(property.Name, property.Value.GetString()!));
                    }
                }
            }

            return new CaseReport(
                Text(root, "name"),
                Architectures.Parse(Text(root, "arch") ?? ""),
                Text(root, "kernel_version") ?? Text(root, "kernel_release"),
                Text(root, "cmdline"),
                config.Count == 0 ? KernelConfig.Nothing : new KernelConfig(config, isComplete: false),
                Number(root, "smp"),
                Number(root, "ram_mib"));
        }
        catch (InvalidOperationException error)
        {
            // A string that is no valid UTF-16 is noticed only when it is fetched.
            throw new EvidenceException($"{file}: holds a damaged string", error);
        }
        catch (JsonException error)
        {
            throw new EvidenceException($"{file}: line {(error.LineNumber ?? 0) + 1}: not JSON", error);
        }
    }

    private static string? Text(JsonElement root, string name) =>
        root.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static int? Number(JsonElement root, string name) =>
        root.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number
            && value.TryGetInt32(out int number) && number > 0
                ? number
                : null;
}
